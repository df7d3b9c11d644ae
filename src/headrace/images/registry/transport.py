"""HTTP to addresses that were judged: each request's host is resolved here, and nowhere else."""

import ssl
from pathlib import Path
from types import TracebackType

import httpx2

from headrace.domain.errors import Invalid
from headrace.images.registry.addresses import Allowed, resolve

MOST_HOSTS = 16  # that one pull may speak with


class Judged(httpx2.AsyncBaseTransport):
    """One pool of connections for each host: what TLS has proven to be one host is never used for another."""

    def __init__(self, rules: Allowed, context: ssl.SSLContext) -> None:
        self._rules, self._context = rules, context
        self._pools: dict[tuple[str, str, int | None], httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises Forbidden, Invalid and Unavailable besides the errors of httpx2."""
        url = request.url
        addresses = await resolve(url, self._rules)
        pool = self._pool((url.scheme, url.host, url.port))
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        for address in addresses[:-1]:
            request.url = url.copy_with(host=address)
            try:
                return await pool.handle_async_request(request)
            except httpx2.ConnectError:
                continue  # the name has another address
            finally:
                request.url = url
        request.url = url.copy_with(host=addresses[-1])
        try:
            return await pool.handle_async_request(request)
        finally:
            request.url = url

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    def _pool(self, host: tuple[str, str, int | None]) -> httpx2.AsyncHTTPTransport:
        if host not in self._pools:
            if len(self._pools) >= MOST_HOSTS:
                raise Invalid(f"the registry sends us to more than {MOST_HOSTS} other hosts")
            self._pools[host] = httpx2.AsyncHTTPTransport(verify=self._context, trust_env=False)
        return self._pools[host]


def tls(authorities: str) -> ssl.SSLContext:
    """With the system's certificate authorities, and those of a file. Raises Invalid."""
    context = ssl.create_default_context()
    if authorities:
        try:
            context.load_verify_locations(Path(authorities))
        except (OSError, ssl.SSLError) as error:
            raise Invalid(f"the certificates in images.ca ({authorities}) cannot be read: {error}") from None
    return context
