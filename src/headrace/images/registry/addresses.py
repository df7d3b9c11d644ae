"""Where the server may connect to for an image: no stranger's name leads it into its own network.

A name is resolved once, every address that it has is judged, and the connection goes to one that was judged: what the
name says a moment later does not matter. Redirects, and the addresses from which tokens come, pass here too.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import httpx2

from headrace.domain.errors import Forbidden, Invalid, Unavailable
from headrace.settings import ImageSettings

RESOLVING = 20.0  # seconds
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PLAIN = "http://"


@dataclass(frozen=True, slots=True)
class Allowed:
    """`trusted` may be at any address; those of them in `plain` may be asked without TLS."""

    trusted: frozenset[str]  # host, or host:port
    plain: frozenset[str]
    public: bool  # whether others may be asked as well

    def check_scheme(self, url: httpx2.URL) -> None:
        """Raises Forbidden, Invalid."""
        if url.scheme not in ("https", "http") or not url.host:
            raise Invalid(f"{_shown(url)} is no address of a registry")
        if url.scheme == "http" and not self.without_tls(url):
            raise Forbidden(
                f"{_shown(url)} is not asked without TLS: the operator can allow it with "
                f"images.registries={PLAIN}{_host_and_port(url)}"
            )
        if not self.public and not self.trusts(url):
            raise Forbidden(f"{_shown(url)} is not a registry that the operator allows (images.registries)")

    def without_tls(self, url: httpx2.URL) -> bool:
        return bool(_names(url) & self.plain)

    def trusts(self, url: httpx2.URL) -> bool:
        return bool(_names(url) & self.trusted)


def of_people(host: str, *, plain: bool) -> Allowed:
    """For who sits at their own command line: everywhere. Without TLS only this registry, if at all."""
    return Allowed(frozenset({"*"}), frozenset({host}) if plain else frozenset(), public=True)


def allowed(settings: ImageSettings) -> Allowed:
    listed = [one.strip().lower().rstrip("/") for one in settings.registries]
    names = [one.removeprefix(PLAIN).removeprefix("https://") for one in listed]
    plain = [name for one, name in zip(listed, names, strict=True) if one.startswith(PLAIN)]
    return Allowed(frozenset(names), frozenset(plain), settings.public)


async def resolve(url: httpx2.URL, rules: Allowed) -> list[str]:
    """The addresses that may be connected to. Raises Forbidden, Invalid, Unavailable."""
    rules.check_scheme(url)
    found = await _looked_up(url.host, url.port or (443 if url.scheme == "https" else 80))
    if rules.trusts(url):
        return [str(one) for one in found]
    if refused := [one for one in found if not is_public(one)]:
        raise Forbidden(
            f"{_shown(url)} lies at {refused[0]}, which is not a public address: the operator can allow it with "
            f"images.registries={_host_and_port(url)}"
        )
    return [str(one) for one in found]


def is_public(address: _Address) -> bool:
    """Also of what an IPv6 address wraps: IPv4, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _wrapped(address)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    packed = address.packed
    if address in ipaddress.IPv6Network("64:ff9b::/96") or packed[:12] == bytes(12):
        return ipaddress.IPv4Address(packed[12:])
    return None


async def _looked_up(host: str, port: int) -> list[_Address]:
    try:
        async with asyncio.timeout(RESOLVING):
            answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise Unavailable(f"there is no registry {host[:200]!r}: its name leads nowhere") from None
    return list(_addresses(answer[4][0] for answer in answers))


def _addresses(texts: Iterable[object]) -> Iterable[_Address]:
    seen = set()
    for text in texts:
        address = ipaddress.ip_address(str(text).partition("%")[0])
        if address not in seen:
            seen.add(address)
            yield address


def _names(url: httpx2.URL) -> set[str]:
    """By which of its names the list may speak of it. A name without a port means the usual port only."""
    usual = {"https": 443, "http": 80}.get(url.scheme)
    names = {_host_and_port(url), "*"}
    if url.port in (None, usual):
        names |= {_bare(url), f"{_bare(url)}:{usual}"}
    return names


def _host_and_port(url: httpx2.URL) -> str:
    return _bare(url) if url.port is None else f"{_bare(url)}:{url.port}"


def _bare(url: httpx2.URL) -> str:
    host = url.host.lower()
    return f"[{host}]" if ":" in host else host


def _shown(url: httpx2.URL) -> str:
    """Without its query: that of a store of blobs may hold a signature."""
    return f"{url.scheme}://{_host_and_port(url)}"[:300]
