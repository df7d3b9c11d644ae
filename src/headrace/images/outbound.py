"""What leaves for one address outside that the operator has named, by the connections that registries get.

Its name is resolved for each connection, as a registry's of images.registries; redirects are not followed.
"""

from dataclasses import dataclass

import httpx2

from headrace.domain.errors import Invalid, Unavailable
from headrace.images.registry.addresses import Allowed
from headrace.images.registry.transport import Judged, tls

TIMEOUT = httpx2.Timeout(10.0)  # seconds
LONGEST_SAID = 200  # characters
OK = range(200, 300)


@dataclass(frozen=True, slots=True)
class Outbound:
    url: httpx2.URL
    http: httpx2.AsyncClient

    async def post(self, body: bytes, media_type: str) -> None:
        """Raises Unavailable, Forbidden."""
        try:
            answer = await self.http.post(self.url, content=body, headers={"Content-Type": media_type})
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self.url.host}: {str(error)[:LONGEST_SAID] or type(error).__name__}") from None
        if answer.status_code not in OK:
            raise Unavailable(f"{self.url.host} answered with the status {answer.status_code}")

    async def close(self) -> None:
        await self.http.aclose()


def outbound(address: str, setting: str, authorities: str = "") -> Outbound:
    """`setting`: its name, for sentences; `authorities`: as images.ca. Raises Invalid."""
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise Invalid(f"{setting} is no URL: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise Invalid(f"{setting} should begin with http:// or https:// and name a host")
    host = frozenset({url.netloc.decode("ascii").lower()})
    rules = Allowed(host, host if url.scheme == "http" else frozenset(), public=False)
    return Outbound(url, httpx2.AsyncClient(transport=Judged(rules, tls(authorities)), timeout=TIMEOUT))
