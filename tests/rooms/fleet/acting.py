"""Ten-line models that run in memory: a dialect that shouts, and the knobs with which it goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.errors import LimitReached, ModelFailed, ReplicaLost
from headrace.domain.question import Answer, Output, Question


class Shout:
    """Answers in capitals. "late", "die" and "short" go wrong as real replicas do; "wait" waits for `door`."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.door = asyncio.Event()
        self.begun = asyncio.Event()
        self.closed = False

    async def ready(self, _timeout: float) -> ReplicaInfo:
        if self.refuses:
            raise ModelFailed(self.refuses, technical="Traceback")
        return ReplicaInfo(inputs=("input.txt",), outputs=("results.json",))

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        for index, question in enumerate(questions):
            text = bytes(question.inputs["input.txt"])
            self.begun.set()
            match text:
                case b"late":
                    raise LimitReached(f"the model did not answer within {timeout:g} s (timeout.run)")
                case b"die":
                    raise ReplicaLost("connection closed", suspect=index)
                case b"gone":
                    raise ReplicaLost("connection closed")
                case b"short":
                    return
                case b"wait":
                    await self.door.wait()
                case b"no":
                    yield Answer(1, 2, 0.5, error="it says no")
                    continue
            yield Answer(1, 2, 0.5, {"results.json": Output(text.upper(), "text/plain")})

    def close(self) -> None:
        self.closed = True


def ask(text: str) -> Question:
    return Question({"input.txt": text.encode()})
