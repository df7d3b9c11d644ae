"""Idempotency-Key at the door (draft-ietf-httpapi-idempotency-key-header): the same request, the same answer.

A JSON body is hashed before anything is done. A file is hashed while it is read, its content and not its wrapping:
clients choose a new multipart boundary each time.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import blake3
import msgspec
from starlette.responses import Response

from headrace.accounts.once import Asked, Kept, Made, Once, asked_by, check_same, with_print
from headrace.api.endpoint import Call, Row, Upload
from headrace.domain.errors import Conflict, HeadraceError

KEY = "idempotency-key"
REPLAYED = {"Idempotency-Replayed": "true"}
SECRET = 0  # stands for the status of an answer that is not kept

AnyCall = Call[Any, Any]


class Repeats:
    def __init__(self, once: Once) -> None:
        self._once = once

    async def answered(self, row: Row, call: AnyCall, raw: bytes | None, key: str) -> Response:
        """Raises Invalid for a bad key, KeyReused, Conflict while the first is under way, and what the handler does."""
        scope = call.request.scope
        asked = asked_by(call.principal, key, f"{row.method} {row.path}")
        seen = blake3.blake3(scope.get("raw_path") or scope["path"].encode())
        seen.update(b"?" + scope["query_string"] + b"\0")
        if isinstance(call.body, Upload):
            call = replace(call, body=replace(call.body, watch=seen.update))
        else:
            seen.update(raw or b"")
            asked = with_print(asked, seen.hexdigest())
        found = await self._once.begin(asked)
        if isinstance(found, Kept | Made):
            await _compare(row, call, asked, found.print, seen.hexdigest)
            return _replay(found) if isinstance(found, Kept) else await _again(row, call, found.what)
        try:
            return await self._carry_out(row, call, asked, seen.hexdigest)
        finally:
            self._once.leave(asked)

    async def _carry_out(self, row: Row, call: AnyCall, asked: Asked, print_: Callable[[], str]) -> Response:
        try:
            answer = encode(row, await row.handler(replace(call, mark=self._once.mark(asked))))
        except BaseException:
            with suppress(HeadraceError):
                await self._once.give_up(asked)
            raise
        status, body = answer.status_code, bytes(answer.body)
        if row.repeat is not None and row.repeat.secret:
            status, body = SECRET, b""
        with suppress(HeadraceError):  # it is made and said to be: a repetition finds it without this answer
            await self._once.keep(with_print(asked, print_()), status, answer.media_type or "", body)
        return answer


def encode(row: Row, answer: Any) -> Response:
    if isinstance(answer, Response):
        return answer
    if answer is None:
        return Response(status_code=row.success)
    return Response(msgspec.json.encode(answer), row.success, media_type="application/json")


async def _compare(row: Row, call: AnyCall, asked: Asked, before: str, print_: Callable[[], str]) -> None:
    """A file is read to its end for that. Raises KeyReused."""
    if isinstance(call.body, Upload) and row.upload is not None:
        part = await call.body.part(row.upload.name)
        async for _ in part.pieces:
            pass
    check_same(with_print(asked, print_()), asked.route, before)


def _replay(found: Kept) -> Response:
    if found.status == SECRET:
        raise Conflict(
            "this request was carried out before. Its answer held an access key, which is shown once and not kept:"
            " renew the key, or make another"
        )
    return Response(found.body, found.status, REPLAYED, found.media_type or None)


async def _again(row: Row, call: AnyCall, what: str) -> Response:
    """The server that made it ended before its answer was kept."""
    if row.repeat is None or row.repeat.again is None:
        raise Conflict(
            f"this request was carried out before and made {what}; its answer was lost: look at what it made"
        )
    answer = encode(row, await row.repeat.again(call, what))
    answer.headers.update(REPLAYED)
    return answer
