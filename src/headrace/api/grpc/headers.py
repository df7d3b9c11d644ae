"""Header blocks: decoded by hpack, checked once, and remembered while they mean the same.

A client sends the same block for every call once its table is filled. What a block means depends on the table, so
what is remembered is forgotten with every change of the table.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hpack import Decoder, HPACKError
from hpack.table import HeaderTable

from headrace.api.callers import GRPC_TOKEN, Caller, authorization
from headrace.api.grpc import packing, varint
from headrace.api.grpc.http2 import ConnectionFault, ErrorCode
from headrace.api.grpc.status import Code, Status, as_header
from headrace.telemetry.trace import TRACEPARENT

LARGEST_LIST = 128 * 1024  # bytes as HPACK counts them; beyond, the connection ends
LARGEST_METADATA = 16 * 1024  # bytes; beyond, the call is refused
REMEMBERED = 64  # blocks of one connection
LONGEST_TIMEOUT, LONGEST_LENGTH = 8, 18  # digits
REQUEST_ID = "x-request-id"
FOREVER = 30 * 86_400.0  # seconds: no deadline lies further away

_BYTES = re.compile(r"(:| from) <memory at .*")  # where hpack names them
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_GRPC = frozenset({"application/grpc", "application/grpc+proto"})
_PSEUDO = frozenset({":method", ":scheme", ":path", ":authority"})
_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})


class Malformed(Exception):
    """Headers that no HTTP/2 request may have (RFC 9113, 8.1.1)."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the headers of a call say. One object serves all calls of a connection that come with the same block."""

    method: str
    path: str
    grpc: bool
    refusal: Status | None  # why no call can begin so
    metadata: Mapping[str, str]  # names in lower case; the last one of a name
    timeout: float | None  # seconds
    encoding: str  # of the messages that come
    accepts: frozenset[str]  # encodings of messages that the client reads
    size: int
    length: int | None  # bytes that are said to come
    caller: Caller
    marked: bool  # it brings an id or a trace of its own

    @property
    def plain(self) -> bool:
        """Nothing in it has to be looked after but a deadline."""
        return self.grpc and self.encoding == "identity" and self.refusal is None and self.length is None


class Blocks:
    """Of one connection. Raises ConnectionFault, Malformed."""

    def __init__(self) -> None:
        self._changed = False  # the table, by the last block
        self._decoder = Decoder(LARGEST_LIST)
        self._decoder.header_table = _Table(self._forget)
        self._known: dict[bytes, Head] = {}
        self.plain: dict[bytes, Head] = {}  # those of `_known` that are

    def decode(self, block: bytes) -> Head:
        known = self._known.get(block)
        if known is not None:
            return known
        head = read(self._pairs(block))
        if not self._changed and head.size <= LARGEST_METADATA:
            if len(self._known) >= REMEMBERED:
                self._clear()
            self._known[block] = head
            if head.plain:
                self.plain[block] = head
        return head

    def check_trailers(self, block: bytes) -> None:
        """What stands in them means nothing to us, but it has to be right. Raises Malformed."""
        for name, value in self._pairs(block):
            _check(name, value)

    def _pairs(self, block: bytes) -> list[tuple[str, str]]:
        self._changed = False
        try:
            return [(_text(name), _text(value)) for name, value in self._decoder.decode(block, raw=True)]
        except HPACKError as error:
            why = _BYTES.sub("", str(error))
        except IndexError:
            why = "they are cut off"
        raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, f"headers cannot be decoded: {why}")

    def _forget(self) -> None:
        self._changed = True
        self._clear()

    def _clear(self) -> None:
        self._known.clear()
        self.plain.clear()


class _Table(HeaderTable):
    """Tells of every change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._tell = changed

    def add(self, name: bytes, value: bytes) -> None:
        self._tell()
        super().add(name, value)

    def _shrink(self) -> None:
        tell = getattr(self, "_tell", None)
        if tell is not None:
            tell()
        super()._shrink()


def read(pairs: Iterable[tuple[str, str]]) -> Head:
    """Raises Malformed."""
    pseudo: dict[str, str] = {}
    fields: dict[str, str] = {}
    size = 0
    for name, value in pairs:
        size += len(name) + len(value) + 32
        if name.startswith(":"):
            if fields or name in pseudo or name not in _PSEUDO:
                raise Malformed(f"the pseudo header {name[:40]} is unknown, late, or comes twice")
            pseudo[name] = value
            continue
        _check(name, value)
        fields[name] = f"{fields[name]}; {value}" if name == "cookie" and name in fields else value
    if not pseudo.get(":path") or not pseudo.get(":method") or ":scheme" not in pseudo:
        raise Malformed("a request needs :method, :scheme and :path")
    timeout, encoding = _timeout(fields.get("grpc-timeout")), fields.get("grpc-encoding", "identity")
    return Head(
        method=pseudo[":method"],
        path=pseudo[":path"],
        grpc=pseudo[":method"] == "POST" and _media_type(fields.get("content-type", "")) in _GRPC,
        refusal=_refusal(size, timeout) or packing.unread(encoding),
        metadata=fields,
        timeout=timeout,
        encoding=encoding,
        accepts=frozenset(one.strip() for one in fields.get("grpc-accept-encoding", "").split(",")),
        size=size,
        length=_whole(fields.get("content-length")),
        caller=caller_of(fields),
        marked=REQUEST_ID in fields or TRACEPARENT in fields,
    )


def caller_of(metadata: Mapping[str, str]) -> Caller:
    """The one place that says who asks, for every method."""
    given = authorization(metadata.get("authorization"), metadata.get(GRPC_TOKEN))
    return Caller(given, metadata.get("origin"), metadata.get("modzy-team-id"))


def _check(name: str, value: str) -> None:
    if not name or name != name.lower() or name in _HOP or (name == "te" and value != "trailers"):
        raise Malformed(f"the header {name[:40]!r} is not allowed in HTTP/2")
    if not set(name).isdisjoint(" \r\n\0:") or not set(value).isdisjoint("\r\n\0"):
        raise Malformed("a header holds characters that are not allowed")


def _media_type(said: str) -> str:
    """Without its parameters."""
    return said.partition(";")[0].strip().lower()


def _refusal(size: int, timeout: float | None) -> Status | None:
    if size > LARGEST_METADATA:
        return Status(Code.RESOURCE_EXHAUSTED, f"the metadata has {size} bytes, at most {LARGEST_METADATA}")
    if timeout is not None and timeout < 0:  # INTERNAL, as grpc-go
        said = "malformed grpc-timeout: it should be up to 8 digits and one of H, M, S, m, u, n"
        return Status(Code.INTERNAL, said)
    return None


def _timeout(text: str | None) -> float | None:
    """Below 0: it cannot be read."""
    if text is None:
        return None
    digits, unit = text[:-1], text[-1:]
    if not (_is_number(digits) and len(digits) <= LONGEST_TIMEOUT and unit in _UNITS):
        return -1
    return min(int(digits) * _UNITS[unit], FOREVER)


def _whole(text: str | None) -> int | None:
    """Raises Malformed."""
    if text is None:
        return None
    if not _is_number(text) or len(text) > LONGEST_LENGTH:
        raise Malformed("content-length should be a number")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else bytes(raw).decode("latin-1")


def block(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Literals that no table remembers: they cost a few bytes more, and no state on either side."""
    return b"".join(_literal(name, value) for name, value in pairs)


def trailers(code: int, message: str = "", more: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    pairs = [(b"grpc-status", b"%d" % code)]
    if message:
        pairs.append((b"grpc-message", as_header(message)))
    return block([*pairs, *more])


def _literal(name: bytes, value: bytes) -> bytes:
    if name == b":status":
        return b"\x08" + _length(value) + value  # name 8 of the static table
    return b"\x00" + _length(name) + name + _length(value) + value


def _length(text: bytes) -> bytes:
    """A number with a prefix of seven bits (RFC 7541, 5.1)."""
    if len(text) < varint.BITS:
        return bytes((len(text),))
    return bytes((varint.BITS,)) + varint.write(len(text) - varint.BITS)


RESPONSE = block(((b":status", b"200"), (b"content-type", b"application/grpc")))  # how every answer begins
OK = trailers(Code.OK)
