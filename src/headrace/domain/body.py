"""A body of bytes: small ones travel as they are, large ones as the name under which they are stored.

Or, where a large one is asked and answered while somebody waits for it, as the memory in which it lies.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

INLINE = 64 * 1024  # bytes; larger bodies become blobs (design: storage/blobs.py)
PIECE = 1024 * 1024  # bytes read or written at once: memory does not grow with the body


@dataclass(frozen=True, slots=True)
class BlobRef:
    """A stored body: the hexadecimal keyed BLAKE3 of its bytes, and how many there are."""

    digest: str
    size: int


class Slot:
    """A body in memory from which replicas read it by themselves (dialects/slots.py): `view` is exactly its bytes.

    Nobody gives it back. What it lies in is used again when nobody holds it, so neither it nor a part of its view may
    be held longer than the body is needed, or be part of a circle.
    """

    __slots__ = ("__weakref__", "size", "view")

    def __init__(self, view: memoryview) -> None:
        self.view, self.size = view, len(view)

    def __len__(self) -> int:
        return self.size


Body = bytes | BlobRef
Given = Body | Slot  # what may be asked; answers are bodies


def size_of(body: Given) -> int:
    return body.size if isinstance(body, BlobRef) else len(body)


class BodyStore(Protocol):
    """Where large bodies lie. A body that `put` has named is on disk."""

    async def put(self, pieces: AsyncIterator[bytes], at_most: int) -> BlobRef:
        """Store a stream. Raises TooLarge beyond `at_most` bytes, StorageFailed when the disk does not take it."""
        ...

    def pieces(self, ref: BlobRef) -> AsyncIterator[bytes]:
        """The bytes again, checked against their name. Raises NotFound, StorageFailed."""
        ...


async def whole(body: Given, store: BodyStore) -> bytes:
    """All bytes in memory: for those who have checked the size before."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, Slot):
        return bytes(body.view)
    return b"".join([piece async for piece in store.pieces(body)])


async def keep(pieces: AsyncIterator[bytes], store: BodyStore, at_most: int) -> Body:
    """A stream as a Body: inline while it is small, stored once it is not. Raises TooLarge, StorageFailed."""
    head = b""
    async for piece in pieces:
        head += piece
        if len(head) > INLINE:
            return await store.put(_again(head, pieces), at_most)
    return head


async def _again(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for piece in rest:
        yield piece
