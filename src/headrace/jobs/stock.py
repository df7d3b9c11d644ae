"""The inputs of a job on their way into its rows: packed as they come, so that nobody holds them all as objects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from headrace.domain.body import BlobRef, size_of
from headrace.domain.job import JobInput
from headrace.jobs import frames

CHUNK_INPUTS = 1_000
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a row holds of at most 1,000 inputs or about 1 MB."""

    length: int
    size: int
    names: bytes
    payload: bytes


class Stock:
    """`refused`: those that can never run; of them only names and sentences are kept."""

    def __init__(self) -> None:
        self.runnable, self.size = 0, 0
        self.refused: list[JobInput] = []
        self.digests: set[str] = set()  # of large bodies
        self._full: list[Chunk] = []
        self._row: list[JobInput] = []
        self._row_size = 0

    @property
    def total(self) -> int:
        return self.runnable + len(self.refused)

    @property
    def chunks(self) -> list[Chunk]:
        """Of those that can run."""
        return [*self._full, _packed(self._row, self._row_size)] if self._row else self._full

    @property
    def refused_chunks(self) -> Iterator[Chunk]:
        for first in range(0, len(self.refused), CHUNK_INPUTS):
            names = self.refused[first : first + CHUNK_INPUTS]
            yield Chunk(len(names), 0, frames.pack_names(names), b"")

    def add(self, one: JobInput) -> bool:
        """True when that was a chunk's worth of work: time to let others go on."""
        if one.refusal is not None:
            self.refused.append(JobInput(one.name, refusal=one.refusal))
            return len(self.refused) % CHUNK_INPUTS == 0
        self.runnable += 1
        size = len(one.name)
        for body in one.bodies.values():
            self.size += size_of(body)
            if isinstance(body, BlobRef):
                self.digests.add(body.digest)
                size += 100  # in its chunk it is only a name
            else:
                size += len(body)
        full = bool(self._row) and (len(self._row) >= CHUNK_INPUTS or self._row_size + size > CHUNK_BYTES)
        if full:
            self._full.append(_packed(self._row, self._row_size))
            self._row, self._row_size = [], 0
        self._row.append(one)
        self._row_size += size
        return full


def stock_of(inputs: Iterable[JobInput]) -> Stock:
    """For those who have them all in memory."""
    stock = Stock()
    for one in inputs:
        stock.add(one)
    return stock


def _packed(row: list[JobInput], size: int) -> Chunk:
    return Chunk(len(row), size, frames.pack_names(row), frames.pack_inputs(row))
