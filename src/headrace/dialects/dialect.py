"""What every way of speaking with a running model must be able to do."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.domain.question import Answer, Question
from headrace.domain.tensor import TensorModel


@dataclass(frozen=True, slots=True)
class Told:
    """What a replica is told of the version that it runs."""

    model: str = ""  # as Open Inference answers name it
    version: str = ""
    inputs: tuple[str, ...] = ()  # names that the version declares
    outputs: tuple[str, ...] = ()
    tensors: str = ""  # JSON: what the folder's own files say of its tensors, where its code does not


@dataclass(frozen=True, slots=True)
class ReplicaInfo:
    """What a loaded model says about itself."""

    batch_size: int = 1  # questions that it likes to get together
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    tensors: TensorModel | None = None


class Dialect(Protocol):
    """One caller at a time. After an error, or after a caller who stopped early, the replica must be ended."""

    async def ready(self, timeout: float) -> ReplicaInfo:
        """Have the model loaded. Raises ModelFailed with its reason, LimitReached after `timeout` seconds."""
        ...

    def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        """Answers, in order. `timeout`: seconds for each next answer.

        Raises LimitReached when it expires, ReplicaLost when the connection ends or brings garbage; both say in
        `suspect` and `together` which questions were at work.
        """
        ...

    def close(self) -> None: ...
