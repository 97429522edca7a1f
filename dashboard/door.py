"""Who is at the door: the configuration, the visitor, and which streams that one may see. Talks to Streamlit."""

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import streamlit as st
import structlog

from dashboard.answers import Sees
from dashboard.declared import Declared
from drift.config import AccessConfig, OidcConfig, ProxyConfig, Settings, is_loopback, load
from drift.errors import ConfigError, DriftError, StoreError
from drift.records import Role, Visitor, tenant_of

log = structlog.get_logger()
ANYBODY: Final = Visitor("", Role.OPERATOR)
"""Whoever comes, where nobody has to sign in."""
LOOPBACK: Final = ("127.0.0.1", "::1")  # Streamlit says None for these


class SignInError(StoreError):
    """It is not known who asks, or not any more; the text is for that one. `can_sign_in`: a button helps."""

    def __init__(self, text: str, *, can_sign_in: bool) -> None:
        super().__init__(text)
        self.can_sign_in = can_sign_in


class HiddenError(DriftError):
    """What was asked for is there, or not, but not for this visitor."""


def config() -> tuple[Declared | None, str]:
    """The configuration that was named after `--`, or None and why there is none.

    Who is no operator sees no inputs: to that one no stream says that they may be shown.
    """
    path = config_path()
    if path is None:
        return None, "no configuration was named: start the dashboard with `drift dashboard drift.yaml`"
    declared, fault = _config(path, _changed_at(path))
    if visitor().role is Role.OPERATOR:
        return declared, fault
    if declared is None:
        return None, "the configuration cannot be read"  # its faults name what is not for everybody
    return _without_inputs(path, _changed_at(path)), ""


def visitor() -> Visitor:
    """Who asks.

    Raises:
        SignInError: it is not known, or that one may see nothing; or nobody is asked, and a stranger came.
    """
    access = _access()
    if access.oidc is not None:
        return _admitted(access, *by_claims(dict(st.user), access.oidc, datetime.now(UTC)))
    if access.proxy is not None:
        address = st.context.ip_address
        return _admitted(
            access, *by_headers(st.context.headers.get_all, access.proxy, [address] if address else LOOPBACK)
        )
    return _not_a_stranger(st.context.ip_address or LOOPBACK[0])


def sees() -> Sees:
    """Which streams the visitor may see.

    Raises:
        SignInError: it is not known who asks.
    """
    who = visitor()
    path = config_path()
    declared = _config(path, _changed_at(path))[0] if path else None
    return lambda key: who.sees(tenant_of(key, declared.tenant(key) if declared else ""))


def by_claims(claims: Mapping[str, object], oidc: OidcConfig, now: datetime) -> tuple[str, tuple[str, ...]]:
    """The name and the groups that an identity token says.

    Raises:
        SignInError: nobody signed in, or too long ago, or the token has no such name.
    """
    if not claims.get("is_logged_in"):
        raise SignInError("This dashboard asks who you are.", can_sign_in=True)
    began = claims.get("iat")
    if not isinstance(began, int | float) or now - datetime.fromtimestamp(began, UTC) > oidc.session:
        raise SignInError("You signed in some time ago: please do so again.", can_sign_in=True)
    name = claims.get(oidc.name)
    if not isinstance(name, str) or not name:
        raise SignInError(
            f"The identity token has no claim {oidc.name!r}: `access.oidc.name` in drift.yaml says which one to read.",
            can_sign_in=False,
        )
    # Some providers say it as a string; those that do not say it at all have no others.
    if oidc.name == "email" and str(claims.get("email_verified", True)).casefold() != "true":
        raise SignInError(f"The provider has not verified that {name} is yours.", can_sign_in=False)
    groups = claims.get(oidc.groups)
    found = groups if isinstance(groups, list | tuple) else groups.split() if isinstance(groups, str) else ()
    return name, tuple(one for one in found if isinstance(one, str))


def by_headers(
    header: Callable[[str], list[str]], proxy: ProxyConfig, addresses: tuple[str, ...] | list[str]
) -> tuple[str, tuple[str, ...]]:
    """The name and the groups that a proxy says, which is at one of `addresses`.

    Raises:
        SignInError: it is not a proxy that is believed, or it names nobody, or two.
    """
    if not any(ip_address(one) in network for one in addresses for network in proxy.addresses):
        known = ", ".join(str(network) for network in proxy.addresses)
        raise SignInError(
            f"This dashboard is for a proxy at {known} (`access.proxy.addresses`), you come from {addresses[0]}.",
            can_sign_in=False,
        )
    names = header(proxy.user)
    if len(names) != 1 or not names[0].strip():
        found = "is missing" if not names else "is there twice" if len(names) > 1 else "is empty"
        raise SignInError(
            f"The proxy does not say who you are: the header {proxy.user} (`access.proxy.user`) {found}.",
            can_sign_in=False,
        )
    groups = (one.strip() for text in header(proxy.groups) for one in text.split(","))
    return names[0].strip(), tuple(one for one in groups if one)


def _not_a_stranger(address: str) -> Visitor:
    """Anybody on this machine, or from anywhere where that is meant: `drift dashboard` refuses to start otherwise, but
    neither does Streamlit by itself, nor is it asked again when `access` goes from the file."""
    if is_loopback(address) or Settings().open:
        return ANYBODY
    raise SignInError(
        "This dashboard asks nobody who they are, so it is for the machine that it runs on alone: `access` in "
        "drift.yaml says how people sign in, DRIFT_OPEN=true that everybody is trusted.",
        can_sign_in=False,
    )


def _admitted(access: AccessConfig, name: str, groups: tuple[str, ...]) -> Visitor:
    found = access.visitor(name, groups)
    if found is None:
        raise SignInError(
            f"You are {name}, who may not see this dashboard: `access.viewers` in drift.yaml says who may.",
            can_sign_in=False,
        )
    return found


def _access() -> AccessConfig:
    """Who may do what, as the configuration said when it could be read last: nobody gets in because it was broken."""
    path = config_path()
    if path is None:
        return AccessConfig()
    declared, _ = _config(path, _changed_at(path))
    kept = _kept_access()
    if declared is not None:
        kept[path] = declared.access
    if path not in kept:
        text = "Nobody can be let in while the configuration cannot be read: the dashboard's log says why."
        raise SignInError(text, can_sign_in=False)
    return kept[path]


def metadata_url() -> str:
    """Where the provider says how one signs in with it; "" where it is not a provider that says who one is."""
    oidc = _access().oidc
    return oidc.metadata_url if oidc else ""


def config_path() -> Path | None:
    """The file that was named after `--`, which is the service's."""
    return _named(tuple(sys.argv[1:]))


@lru_cache(maxsize=4)
def _named(arguments: tuple[str, ...]) -> Path | None:
    """Where the configuration is; it is asked for some twenty times a page."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    parser.add_argument("--config", type=Path)
    path: Path | None = parser.parse_known_args(arguments)[0].config
    return path


def _changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


@st.cache_resource(max_entries=4, show_spinner=False)
def _config(path: Path, changed_at: int) -> tuple[Declared | None, str]:  # noqa: ARG001  # read again when it changes
    try:
        return Declared.of(load(path)), ""
    except ConfigError as error:
        log.warning("configuration not read", error=str(error))
        return None, str(error)


@st.cache_resource(max_entries=4, show_spinner=False)
def _without_inputs(path: Path, changed_at: int) -> Declared | None:
    declared, _ = _config(path, changed_at)
    return declared and declared.without_inputs()


@st.cache_resource(show_spinner=False)
def _kept_access() -> dict[Path, AccessConfig]:
    return {}
