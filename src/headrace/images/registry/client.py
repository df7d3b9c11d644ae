"""One repository of a registry, asked by HTTP: documents, parts of images, and uploads."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import httpx2
import msgspec

from headrace.domain.errors import Forbidden, HeadraceError, Invalid, NotFound, Unavailable
from headrace.images.oci import documents
from headrace.images.registry.addresses import Allowed
from headrace.images.registry.auth import Authorization, Credentials
from headrace.images.registry.reference import Reference
from headrace.images.registry.transport import Judged, tls

HOPS = 5  # redirects
TRIES = 4  # of a request that a tired registry refused
PAUSE = 0.5  # seconds before the second try; doubled each time
LONGEST_PAUSE = 20.0
TIMEOUT = httpx2.Timeout(60.0, connect=20.0)
AGENT = {"User-Agent": "headrace"}
TIRED = frozenset({429, 500, 502, 503, 504})
REDIRECTED = frozenset({301, 302, 303, 307, 308})
LARGEST_FAULT = 64 * 1024  # bytes of an answer that is read for what it says
LONGEST_WORDS = 300  # characters of what a registry says

Content = bytes | AsyncIterator[bytes] | None


class _Fault(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Faults(msgspec.Struct):
    errors: list[_Fault] = []


class Registry:
    """Use `connected`. Every call raises Invalid, Forbidden, NotFound or Unavailable with a sentence."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        reference: Reference,
        base: str,
        credentials: Credentials | None,
        actions: str,
    ) -> None:
        self._http, self._reference, self._base = http, reference, base
        self._secret = "" if credentials is None else credentials.password
        scope = f"repository:{reference.repository}:{actions}"
        self._authorization = Authorization(credentials, scope, self._ask_for_token)

    def url(self, path: str) -> httpx2.URL:
        return httpx2.URL(f"{self._base}/v2/{self._reference.repository}/{path}")

    async def document(self, which: str, at_most: int = documents.LARGEST) -> bytes:
        """A manifest or a list, by tag or digest, as it stands."""
        headers = {"Accept": ", ".join(documents.ACCEPTED)}
        async with self.asked("GET", self.url(f"manifests/{which}"), headers) as answer:
            return await read(answer, at_most)

    @asynccontextmanager
    async def stream(self, url: httpx2.URL, headers: dict[str, str]) -> AsyncIterator[httpx2.Response]:
        """As `asked`, but a connection that breaks while the body is read is the caller's to mend (TransportError)."""
        answer = await self._persistently("GET", url, headers, None)
        try:
            if answer.status_code >= HTTPStatus.BAD_REQUEST:
                raise await self._refusal(answer)
            yield answer
        finally:
            await answer.aclose()

    @asynccontextmanager
    async def asked(
        self, method: str, url: httpx2.URL, headers: dict[str, str] | None = None, content: Content = None
    ) -> AsyncIterator[httpx2.Response]:
        """A good answer, its body not read yet."""
        answer = await self._persistently(method, url, headers or {}, content)
        try:
            if answer.status_code >= HTTPStatus.BAD_REQUEST:
                raise await self._refusal(answer)
            yield answer
        except httpx2.TransportError as error:
            raise self._broken(error) from None
        finally:
            await answer.aclose()

    async def _persistently(
        self, method: str, url: httpx2.URL, headers: dict[str, str], content: Content
    ) -> httpx2.Response:
        pause = PAUSE
        for left in reversed(range(TRIES)):
            try:
                answer = await self._authorized(method, url, headers, content)
            except httpx2.TransportError as error:
                if not left or not isinstance(content, bytes | None) or "SSL" in str(error):
                    raise self._broken(error) from None
            else:
                if answer.status_code not in TIRED or not left or not isinstance(content, bytes | None):
                    return answer
                pause = max(pause, _asked_pause(answer))
                await answer.aclose()
            await asyncio.sleep(min(pause, LONGEST_PAUSE))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    async def _authorized(
        self, method: str, url: httpx2.URL, headers: dict[str, str], content: Content
    ) -> httpx2.Response:
        answer = await self._followed(method, url, headers, content)
        if answer.status_code != HTTPStatus.UNAUTHORIZED or not isinstance(content, bytes | None):
            return answer
        try:
            said = await read(answer, LARGEST_FAULT)
        finally:
            await answer.aclose()
        if not await self._authorization.challenged(answer):
            return httpx2.Response(answer.status_code, content=said)
        return await self._followed(method, url, headers, content)

    async def _followed(
        self, method: str, url: httpx2.URL, headers: dict[str, str], content: Content
    ) -> httpx2.Response:
        """Redirects are only followed for what is read. Who we are is told to the registry itself, to nobody else."""
        for _ in range(HOPS + 1):
            ours = _origin(url) == _origin(httpx2.URL(self._base))
            said = {"Authorization": self._authorization.header} if ours and self._authorization.header else {}
            request = self._http.build_request(method, url, headers=headers | said, content=content)
            answer = await self._http.send(request, stream=True)
            if answer.status_code not in REDIRECTED or method not in ("GET", "HEAD"):
                return answer
            await answer.aclose()
            try:
                url = url.join(answer.headers.get("location", ""))
            except httpx2.InvalidURL:
                raise Invalid(f"the registry {self._reference.host} sends us to an address that is none") from None
        raise Invalid(f"the registry {self._reference.host} sends us from address to address")

    async def _ask_for_token(self, url: httpx2.URL, headers: dict[str, str]) -> httpx2.Response:
        answer = await self._http.send(self._http.build_request("GET", url, headers=headers), stream=True)
        try:
            content = await read(answer, documents.LARGEST)
        finally:
            await answer.aclose()
        return httpx2.Response(answer.status_code, headers={"content-type": "application/json"}, content=content)

    async def _refusal(self, answer: httpx2.Response) -> HeadraceError:
        words = await self._words(answer)
        image, host = str(self._reference), self._reference.host
        match answer.status_code:
            case 401 | 403:
                known = "refuses these credentials" if self._secret else "wants a username and a password"
                return Forbidden(f"the registry {host} {known} for {image}{words}")
            case 404:
                return NotFound(f"the registry {host} has no {image}{words}")
            case status if status in TIRED:
                return Unavailable(f"the registry {host} answered {status} again and again{words}")
            case status:
                return Invalid(f"the registry {host} answered {status} for {image}{words}")

    async def _words(self, answer: httpx2.Response) -> str:
        """What the registry said, without what we told it."""
        try:
            faults = msgspec.json.decode(await read(answer, LARGEST_FAULT), type=_Faults).errors
        except (msgspec.DecodeError, UnicodeDecodeError, HeadraceError, httpx2.HTTPError):
            return ""
        text = "; ".join(one.message or one.code for one in faults)[:LONGEST_WORDS]
        if self._secret:
            text = text.replace(self._secret, "***")
        text = "".join(character for character in text if character.isprintable())
        return f" ({text})" if text else ""

    def _broken(self, error: httpx2.TransportError) -> Unavailable:
        host = self._reference.host
        if isinstance(error, httpx2.TimeoutException):
            return Unavailable(f"the registry {host} does not answer in time")
        reason = str(error).strip() or type(error).__name__
        return Unavailable(f"the connection to the registry {host} failed: {reason[:LONGEST_WORDS]}")


@asynccontextmanager
async def connected(
    reference: Reference, credentials: Credentials | None, rules: Allowed, authorities: str, actions: str = "pull"
) -> AsyncIterator[Registry]:
    """Nothing is asked yet. Raises Invalid when the certificates cannot be read."""
    context = await asyncio.to_thread(tls, authorities)
    base = _base(reference, rules)
    transport = Judged(rules, context)
    async with httpx2.AsyncClient(transport=transport, timeout=TIMEOUT, headers=AGENT, follow_redirects=False) as http:
        yield Registry(http, reference, base, credentials, actions)


async def read(answer: httpx2.Response, at_most: int) -> bytes:
    """Raises Invalid for a longer one."""
    content = bytearray()
    async for piece in answer.aiter_bytes():
        content += piece
        if len(content) > at_most:
            raise Invalid(f"the registry answered with more than {at_most} bytes where a document should be")
    return bytes(content)


def _base(reference: Reference, rules: Allowed) -> str:
    plain = httpx2.URL(f"http://{reference.host}")
    return f"http://{reference.host}" if rules.without_tls(plain) else f"https://{reference.host}"


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, url.host.lower(), url.port or (443 if url.scheme == "https" else 80)


def _asked_pause(answer: httpx2.Response) -> float:
    said = answer.headers.get("retry-after", "")
    return float(said) if re.fullmatch(r"[0-9]{1,4}", said) else 0.0
