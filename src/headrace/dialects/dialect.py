"""What every way of speaking with a running model must be able to do."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from headrace.domain.errors import LimitReached, ReplicaLost
from headrace.domain.image import Claims, Contract
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
    claims: Claims | None = None  # what it says of its inputs, outputs and timeouts
    contract: Contract | None = None  # of a container: how it wants to be spoken to
    port: int = 0

    @property
    def cached(self) -> bool:
        """Whether its answers may be given again."""
        return self.tensors is not None and self.tensors.cached

    @property
    def batches(self) -> bool:
        """Whether it runs questions together."""
        return self.batch_size > 1 or (self.tensors is not None and self.tensors.max_batch_size > 1)


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


class Taker(Protocol):
    """Who asked without a coroutine. Called from where the answers arrive: neither call may wait, or raise."""

    def took(self, answers: Sequence[Answer]) -> None:
        """The next answers, in order."""
        ...

    def ended(self, error: LimitReached | ReplicaLost | None) -> None:
        """After the last answer, or why there are no more. The taker may ask the next questions from here."""
        ...


@runtime_checkable
class Straight(Protocol):
    """A dialect that can be asked without a coroutine: most of what a quick model's answer costs would be its steps."""

    def straight(self, questions: Sequence[Question], timeout: float, taker: Taker) -> bool:
        """False when these questions have to go by `run`: nothing was sent. Raises ReplicaLost.

        Otherwise as `run`, and what `run` would raise `taker.ended` is told.
        """
        ...


@runtime_checkable
class Stoppable(Protocol):
    """A dialect whose streams (Question.stream) can be stopped without ending the replica."""

    def refuse(self) -> None:
        """Nobody wants the rest: the answer without `more` should come soon. It has to be waited for."""
        ...


@runtime_checkable
class Parting(Protocol):
    """A dialect of a model that listens: it can be told that it will be ended, and has connections to give up."""

    async def leave(self, timeout: float) -> None:
        """Ask the model to end by itself."""
        ...

    async def part(self) -> None: ...
