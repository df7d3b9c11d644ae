"""Multipart bodies, read as they come: the wanted part is a stream, small parts before it are fields of text."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from headrace.domain.errors import Invalid

OVERHEAD = 64 * 1024  # bytes of boundaries, part headers and small fields around the wanted part
PARTS = 100  # the most in one body
FIELD = 16 * 1024  # bytes of a small field


@dataclass(slots=True)
class _Head:
    """The headers of the part that is just being read."""

    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    found: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Begin:
    name: str
    filename: str


class _End:
    """Of a part."""


_Event = _Begin | _End | bytes


class Multipart:
    """`async for` over the events of a body that comes in `pieces`."""

    def __init__(self, pieces: AsyncIterator[bytes], content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if not kind.startswith(b"multipart/") or not options.get(b"boundary"):
            raise Invalid(
                f"the body should be multipart/form-data with a boundary, but is {content_type or 'nothing'!r}"
            )
        self._pieces = pieces
        self._head = _Head()
        self._events: deque[_Event] = deque()
        self._parts = 0
        self._over = False
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    async def part(self, name: str) -> "Part":
        """The part called `name`. Raises Invalid when the body has none."""
        seen: dict[str, str] = {}
        while isinstance(begin := await self._next(), _Begin):
            if begin.name == name:
                return Part(begin.filename, seen, self._rest_of_part())
            seen[begin.name] = await self._small(begin.name)
        others = ", ".join(sorted(seen)) or "none"
        raise Invalid(f"the multipart body should have a part named `{name}`; its parts: {others}")

    async def _small(self, name: str) -> str:
        text = b""
        async for piece in self._rest_of_part():
            text += piece
            if len(text) > FIELD:
                raise Invalid(f"the part `{name}` is not known here and has more than {FIELD} bytes")
        return text.decode(errors="replace")

    async def _rest_of_part(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._next(), bytes):
            yield event
        if event is None:
            raise Invalid("the multipart body ends before its closing boundary: the upload was cut off")

    async def _next(self) -> _Event | None:
        while not self._events:
            piece = await anext(self._pieces, None)
            if piece is None:
                if not self._over:
                    raise Invalid("the multipart body ends before its closing boundary: the upload was cut off")
                return None
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise Invalid(f"the multipart body cannot be read: {error}") from None
        return self._events.popleft()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS:
            raise Invalid(f"the multipart body has more than {PARTS} parts")
        self._head = _Head()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._head.name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._head.value += data[start:end]

    def _header_end(self) -> None:
        self._head.found[bytes(self._head.name).lower()] = bytes(self._head.value)
        self._head.name, self._head.value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._head.found.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode(errors="replace")
        self._events.append(_Begin(name, options.get(b"filename", b"").decode(errors="replace")))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if end > start:
            self._events.append(data[start:end])

    def _part_end(self) -> None:
        self._events.append(_End())

    def _end(self) -> None:
        self._over = True


@dataclass(frozen=True, slots=True)
class Part:
    """`fields` are the small parts that came before this one."""

    filename: str
    fields: dict[str, str]
    pieces: AsyncIterator[bytes]
