"""The answer of a model's own route on its way to the client: status and headers as the model gave them, then its body.

Headers that speak about the connection, or that this server sets on every answer, are the server's own. An answer that
breaks off ends the connection, so that no client takes it for a whole one.
"""

import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headrace.api.hosts import SAFE
from headrace.api.oip.events import plain
from headrace.api.oip.infer import Reply, refused, said_no
from headrace.api.oip.spoken import Spoken
from headrace.domain.body import BodyStore, whole
from headrace.domain.errors import HeadraceError, ModelFailed
from headrace.domain.question import Answer

HEAD = "head"  # in the meta of questions and answers: bytes of the head before the body
MOST_HEADERS, LONGEST_HEADER = 100, 8_192
OF_CONNECTIONS = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
        "upgrade",
    }
)  # fmt: skip
_SERVERS_OWN = OF_CONNECTIONS | {name for name, _ in SAFE} | {"date", "server", "set-cookie", "x-request-id"}
_NAME, _VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\t\x20-\x7e\x80-\xff]*")

log = logging.getLogger(__name__)


class _Head(msgspec.Struct):
    status: Annotated[int, msgspec.Meta(ge=200, le=599)]
    headers: Annotated[list[tuple[str, str]], msgspec.Meta(max_length=MOST_HEADERS)]


_heads = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class Start:
    """`body`: as much of it as came with the head."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def start_of(body: bytes, length: str) -> Start:
    """Of an answer's first piece. Raises ModelFailed: nothing in it is to be trusted."""
    end = int(length) if length.isascii() and length.isdigit() else -1
    try:
        head = _heads.decode(body[: max(0, end)])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelFailed(f"the handler's answer has no head that HTTP knows: {error}") from None
    return Start(
        head.status, [_header(*pair) for pair in head.headers if pair[0].lower() not in _SERVERS_OWN], body[end:]
    )


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or len(name) + len(value) > LONGEST_HEADER:
        raise ModelFailed(f"the handler's answer has a header that HTTP does not allow: {name[:80]!r}")
    return name.lower().encode(), value.encode("latin-1")


class Relayed(Spoken):
    def __init__(self, answers: AsyncGenerator[Answer, None], blobs: BodyStore, identifier: str) -> None:
        super().__init__()
        self._answers, self._blobs, self._identifier = answers, blobs, identifier

    async def speak(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._answers) as answers:
            found = await self._first(answers)
            if isinstance(found, Reply):
                await plain(found)(scope, receive, send)
                return
            headers = [*found.headers, (b"x-request-id", self._identifier.encode())]
            await send({"type": "http.response.start", "status": found.status, "headers": headers})
            await self._piece(found.body, send)
            try:
                async for later in answers:
                    await self._piece(await self._body(later), send)
            except HeadraceError as error:
                log.warning("an answer of a model's route broke off: %s", error.message)
                return  # without an end: the connection is closed
            await send({"type": "http.response.body", "body": b""})

    def refused(self, error: Exception) -> Response:
        return plain(refused(error, self._identifier))

    def broken_off(self, error: Exception) -> None:
        """Without an end: the connection is closed."""

    async def _first(self, answers: AsyncGenerator[Answer, None]) -> Start | Reply:
        try:
            first = await anext(answers)
            if first.error is not None:
                return said_no(first, self._identifier)
            return start_of(await self._body(first), first.meta.get(HEAD, ""))
        except Exception as error:  # noqa: BLE001 - the last door: whatever it is becomes JSON
            return refused(error, self._identifier)

    async def _body(self, answer: Answer) -> bytes:
        """Raises ModelFailed where the answer is an error."""
        if answer.error is not None:
            raise ModelFailed(answer.error)
        output = answer.outputs.get("")
        if output is None:
            return b""
        return output.body if isinstance(output.body, bytes) else await whole(output.body, self._blobs)

    async def _piece(self, data: bytes, send: Send) -> None:
        if data:
            await send({"type": "http.response.body", "body": data, "more_body": True})
