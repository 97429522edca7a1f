"""Who may see the dashboard and use the API, and what they may do there."""

import hmac
from collections.abc import Collection, Iterable
from datetime import timedelta
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from drift.config.settings import Settings
from drift.config.values import Duration, Http, Name
from drift.errors import ConfigError
from drift.records import Role, Visitor

OPEN_TO_ALL: Final = ("*",)
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OidcConfig(_Model):
    """Sign-in to the dashboard by OpenID Connect. The provider sends people back to `dashboard_url`/oauth2callback.

    `name` and `groups` are the claims of the identity token that say who somebody is and which groups that one is in;
    `scope` is what is asked for. After `session` one has to sign in again. Without a `cookie_secret` each start makes
    one, so that a restart signs everybody out.
    """

    metadata_url: Http
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    cookie_secret: SecretStr | None = Field(default=None, min_length=32)
    scope: str = "openid profile email"
    name: str = "email"
    groups: str = "groups"
    session: Duration = timedelta(days=1)


class ProxyConfig(_Model):
    """A reverse proxy that signs people in, and says who they are in headers. Only these `addresses` are believed."""

    addresses: tuple[IPv4Network | IPv6Network, ...] = Field(min_length=1)
    user: Header = "X-Forwarded-User"
    groups: Header = "X-Forwarded-Groups"


class TokenConfig(_Model):
    """A bearer token of the API. `name` is who did something with it."""

    name: Name
    token: SecretStr = Field(min_length=20)
    role: Literal["sender", "viewer", "operator"] = "viewer"


class AccessConfig(_Model):
    """Who may do what. People are named by group or by name, with `*` for any letters: `sre`, `*@example.com`.
    The two are not told apart: whoever is called as a group is has the rights of that group.

    `viewers` may see the dashboard; `operators` also see inputs of rows and the commands that change things. Where
    `tenants` says whose streams somebody sees, nobody sees others: `{acme-people: [acme], sre: ["*"]}`. `tokens` are
    for the API, and see all streams.
    """

    oidc: OidcConfig | None = None
    proxy: ProxyConfig | None = None
    viewers: tuple[str, ...] = OPEN_TO_ALL
    operators: tuple[str, ...] = ()
    tenants: dict[str, tuple[str, ...]] = {}
    tokens: tuple[TokenConfig, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.oidc and self.proxy:
            raise ValueError("people sign in one way: keep either `oidc` or `proxy`")
        said = [name for name in ("operators", "tenants") if getattr(self, name)]
        said += ["viewers"] if self.viewers != OPEN_TO_ALL else []
        if said and not self.asks_people:
            raise ValueError(f"`{said[0]}` says who people are that nobody asks: add `oidc` or `proxy`")
        return self

    @field_validator("tokens")
    @classmethod
    def _told_apart(cls, tokens: tuple[TokenConfig, ...]) -> tuple[TokenConfig, ...]:
        whose: dict[str, str] = {}
        for one in tokens:
            if (other := whose.setdefault(one.token.get_secret_value(), one.name)) != one.name:
                raise ValueError(f"{other!r} and {one.name!r} have the same token: each needs its own")
        return tokens

    @property
    def asks_people(self) -> bool:
        """Whether the dashboard has people sign in."""
        return bool(self.oidc or self.proxy)

    def visitor(self, name: str, groups: Collection[str]) -> Visitor | None:
        """Who signed in as `name` and is in `groups`; None where that one may see nothing."""
        known = (name, *groups)
        tenants = tuple(one for who, some in self.tenants.items() if _matches(known, (who,)) for one in some)
        is_operator = _matches(known, self.operators)
        if not is_operator and not _matches(known, self.viewers):
            return None
        role = Role.OPERATOR if is_operator else Role.VIEWER
        return Visitor(name, role, tenants if self.tenants else OPEN_TO_ALL)

    def bearer(self, token: str) -> Visitor | None:
        """Whose token that is; None where it is nobody's. It takes as long for each, so that none can be guessed."""
        found = None
        for one in self.tokens:
            if hmac.compare_digest(one.token.get_secret_value().encode(), token.encode()):
                found = Visitor(one.name, Role(one.role))
        return found


def require_closed(settings: Settings, what: str, *, is_asked: bool, remedy: str) -> None:
    """Refuse to serve `what` to strangers: where nobody `is_asked` who they are, this machine alone may reach it.

    Raises:
        ConfigError: others may reach it. It says what to set, `remedy` being how people are asked.
    """
    if is_asked or settings.open or is_loopback(settings.host):
        return
    raise ConfigError(
        f"DRIFT_HOST={settings.host} lets others reach the {what}, and nobody would have to say who they are: {remedy} "
        "(README, Sign-in), or keep DRIFT_HOST=127.0.0.1, or set DRIFT_OPEN=true where you trust all who reach it"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _matches(known: Iterable[str], patterns: Collection[str]) -> bool:
    return any(fnmatchcase(one, pattern) for one in known for pattern in patterns)
