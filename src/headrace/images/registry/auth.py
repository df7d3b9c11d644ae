"""Who we are to a registry: nobody, a name and a password, or a token that somebody else hands out for these."""

import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx2
import msgspec

from headrace.domain.errors import Forbidden, Invalid

LARGEST_TOKEN = 64 * 1024  # bytes of the answer that holds it
_CHALLENGE = re.compile(r"\s*(?P<scheme>[A-Za-z][A-Za-z0-9_-]*)\s+(?P<rest>.*)", re.DOTALL)
_PARAMETER = re.compile(r'\s*,?\s*(?P<name>[A-Za-z_]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Credentials:
    """Neither is shown when this is printed."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class _Token(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None


Ask = Callable[[httpx2.URL, dict[str, str]], Awaitable[httpx2.Response]]  # a small GET; its body is read


class Authorization:
    """The header for one repository of one registry, found out by what it answers."""

    def __init__(self, credentials: Credentials | None, scope: str, ask: Ask) -> None:
        self._credentials, self._scope, self._ask = credentials, scope, ask
        self.header = ""

    async def challenged(self, answer: httpx2.Response) -> bool:
        """After a 401. False: nothing more could be tried. Raises Invalid, Forbidden and what `ask` raises."""
        before = self.header
        for challenge in answer.headers.get_list("www-authenticate"):
            match = _CHALLENGE.match(challenge)
            if match is None:
                continue
            scheme = match["scheme"].lower()
            if scheme == "bearer":
                self.header = await self._token(_parameters(match["rest"]))
                return self.header != before
            if scheme == "basic" and self._credentials is not None:
                self.header = self._credentials.basic
                return self.header != before
        return False

    async def _token(self, parameters: dict[str, str]) -> str:
        try:
            realm = httpx2.URL(parameters.get("realm", ""))
        except httpx2.InvalidURL:
            raise Invalid("the registry names no address from which a token could be had") from None
        query = {"service": parameters.get("service", ""), "scope": self._scope}
        url = realm.copy_merge_params({name: value for name, value in query.items() if value})
        headers = {} if self._credentials is None else {"Authorization": self._credentials.basic}
        answer = await self._ask(url, headers)
        if answer.status_code in (401, 403):
            raise Forbidden(
                f"{realm.host} gives no token for this image: "
                + ("a username and a password are needed" if self._credentials is None else "wrong name or password")
            )
        try:
            found = msgspec.json.decode(answer.content, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = _Token()
        token = found.token or found.access_token or ""
        if answer.status_code != 200 or not token or not token.isascii() or not token.isprintable():  # noqa: PLR2004
            raise Invalid(f"{realm.host} was asked for a token and answered {answer.status_code} without one")
        return f"Bearer {token}"


def _parameters(text: str) -> dict[str, str]:
    found = {}
    for match in _PARAMETER.finditer(text):
        value = match["plain"] if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"])
        found[match["name"].lower()] = value
    return found
