"""A compressed stream read forwards, with as little memory as is asked for: no bomb can make a read larger."""

import bz2
import importlib
import io
import lzma
import zlib
from typing import IO, Any, Protocol

from headrace.domain.errors import Invalid, Unsupported

READ = 256 * 1024
LARGEST_READ = 4 << 20  # bytes at once; whoever asks for more has believed a header
DICTIONARY = 256 << 20  # bytes of memory for xz
WINDOW = 128 << 20  # bytes of memory for zstd


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's object, with the ways of the other two: what was not read yet is kept inside."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._object.decompress(self._object.unconsumed_tail + data, max_length)


class _Zstd:
    """Unlike the other three it reads its source itself: that is how it can be held to a size."""

    def __init__(self, source: IO[bytes]) -> None:
        try:
            zstandard: Any = importlib.import_module("zstandard")  # of the extra: most installations need none
        except ImportError:
            raise Unsupported("this is packed by zstd, for which the server lacks: pip install zstandard") from None
        self._error: type[Exception] = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        self._reader: IO[bytes] = decompressor.stream_reader(source, read_across_frames=True, closefd=False)

    def read(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except self._error as error:
            raise Invalid(f"the archive is damaged: {error}") from None


def _new_decoder(kind: str) -> _Decoder:
    match kind:
        case "gzip":
            return _Gzip()
        case "bzip2":
            return bz2.BZ2Decompressor()
        case _:
            return lzma.LZMADecompressor(memlimit=DICTIONARY)


class Forward(io.RawIOBase):
    """A file object for tarfile: `read`, `tell` and `seek` forwards. `kind`: gzip, bzip2, xz, zstd, or "" for none."""

    def __init__(self, source: IO[bytes], kind: str) -> None:
        self._source: IO[bytes] | _Zstd = _Zstd(source) if kind == "zstd" else source
        self._kind = kind
        self._decoder = _new_decoder(kind) if kind not in ("", "zstd") else None
        self._ready = bytearray()
        self._position = 0
        self._over = False

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._position:
            raise Invalid("the archive is damaged: it points back to what was read already")
        while self._position < offset and self.read(min(READ, offset - self._position)):
            pass
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise Invalid("the archive is damaged, or made to take memory: one of its headers is much too large")
        while len(self._ready) < size and not self._over:
            self._more()
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        self._position += len(taken)
        return taken

    def _more(self) -> None:
        if self._decoder is None:
            data = self._source.read(READ)
            self._over = not data
            self._ready += data
            return
        try:
            self._decode(self._decoder)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            raise Invalid(f"the archive is damaged: {error}") from None

    def _decode(self, decoder: _Decoder) -> None:
        if decoder.eof:
            self._next_stream(decoder.unused_data or self._source.read(READ))
            return
        data = self._source.read(READ) if decoder.needs_input else b""
        unpacked = decoder.decompress(data, READ)
        if not unpacked and not data and not decoder.eof:
            raise EOFError("it ends too early")
        self._ready += unpacked

    def _next_stream(self, begin: bytes) -> None:
        """Several compressed streams may follow each other, with zeros between them."""
        self._over = not begin
        if begin := begin.lstrip(b"\0"):
            self._decoder = _new_decoder(self._kind)
            self._ready += self._decoder.decompress(begin, READ)
