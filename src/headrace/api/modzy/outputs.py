"""A model's output in JSON: JSON as it is, text as a string, everything else as the URL where its bytes are."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.responses import Response, StreamingResponse

from headrace.domain.body import BodyStore, size_of, whole
from headrace.domain.errors import HeadraceError, NotFound
from headrace.domain.question import Output
from headrace.domain.result import InputResult

INLINE_LIMIT = 16 << 20  # bytes of a JSON or text output that stands in the answer itself
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json\s*(?:;|$)", re.IGNORECASE)
_SHOWN = re.compile(r"(?:application/json|text/plain|image/(?:png|jpeg|gif|webp|bmp|tiff))\b")

_raw = msgspec.json.Decoder(msgspec.Raw).decode


def named(result: InputResult, name: str) -> Output:
    """Raises NotFound, and says which outputs there are."""
    if name not in result.outputs:
        has = ", ".join(result.outputs) or "none"
        raise NotFound(f"Input {result.name!r} has no output {name!r}; its outputs: {has}")
    return result.outputs[name]


async def shown(outputs: Mapping[str, Output], url: Callable[[str], str], store: BodyStore) -> dict[str, Any]:
    """`url` is asked only for outputs that are shown as one."""
    return {name: await _value(name, output, url, store) for name, output in outputs.items()}


async def _value(name: str, output: Output, url: Callable[[str], str], store: BodyStore) -> Any:
    media_type, body = output.media_type, output.body
    is_json = media_type == "application/json" or _JSON.match(media_type) is not None
    if not is_json and not media_type.startswith("text/"):
        return url(name)
    if size_of(body) > INLINE_LIMIT:
        return url(name)
    try:
        raw = body if isinstance(body, bytes) else await whole(body, store)
        text = raw.decode()
    except (UnicodeDecodeError, HeadraceError):
        return url(name)
    return _as_json(raw, text) if is_json else text


def _as_json(raw: bytes, text: str) -> Any:
    """As it is, when it is what it says; Raw is checked without being built, but not for UTF-8: `text` was."""
    try:
        return _raw(raw)
    except (msgspec.DecodeError, RecursionError):
        return text


async def download(name: str, output: Output, store: BodyStore) -> Response:
    """The bytes. What a browser could run is only ever offered as a file to save."""
    media_type = output.media_type or "application/octet-stream"
    headers = {"Content-Length": str(size_of(output.body)), "Content-Security-Policy": "sandbox; default-src 'none'"}
    if not _SHOWN.match(media_type.lower()):
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    if isinstance(output.body, bytes):
        return Response(output.body, headers=headers, media_type=media_type)
    return StreamingResponse(await opened(store.pieces(output.body)), headers=headers, media_type=media_type)


async def opened(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces; what fails at the first of them fails here, while there is still a status to tell it by."""
    first = await anext(pieces, b"")
    return _again(first, pieces)


async def _again(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
