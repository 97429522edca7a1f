"""Which addresses a webhook may reach, so that nobody aims it at what only our own host can see.

Over https: public addresses, and the networks that the webhook's owner trusts. Over plain http: those networks alone.
Private, loopback, link-local, carrier-grade NAT, multicast and reserved ranges and the clouds' metadata services are
not public, nor is an IPv6 address that carries such an IPv4 address.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

import httpx2

from drift.errors import DeliveryError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# For a webhook whose owner trusts every network (`allow_http`).
EVERYWHERE: Final[tuple[Network, ...]] = (ip_network("0.0.0.0/0"), ip_network("::/0"))

_NAT64: Final = IPv6Network("64:ff9b::/96")
_AZURE: Final = IPv4Address("168.63.129.16")  # the platform's own service, at a public address


def resolve(url: httpx2.URL) -> list[str]:
    """Every address that the host of `url` has now.

    Raises:
        DeliveryError: the name has none, or could not be looked up.
    """
    host = url.raw_host.decode("ascii")
    try:
        found = socket.getaddrinfo(host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryError(f"{host} needs an address, the lookup found none ({error}): check the name") from error
    return [str(sockaddr[0]) for *_, sockaddr in found]


def require_allowed(url: httpx2.URL, address: str, networks: Sequence[Network]) -> None:
    """Refuse `address` as a peer for `url`, unless it is public and the scheme https, or one of `networks` holds it.

    Raises:
        DeliveryError: it is refused. Not for good: a name may have a proper address again at the next attempt.
    """
    peer = _carried(ip_address(address))
    if any(peer in network for network in networks):
        return
    if not _is_public(peer):
        raise DeliveryError(
            f"{url.host} needs a public address, found {address}: correct the url, or allow its network "
            "(`allow_networks` on the webhook) if you trust it"
        )
    if url.scheme != "https":
        raise DeliveryError(f"{url.host} needs https, found {url.scheme}: correct the url, or set `allow_http: true`")


def _carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if address == _AZURE or address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return isinstance(address, IPv4Address) or not address.is_site_local
