"""Our own protocol to a model beside the harness (framing.py): load it, ask it, read its answers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict

from headrace.dialects.cell import Cell
from headrace.dialects.dialect import ReplicaInfo, Told
from headrace.dialects.exchange import Exchange
from headrace.dialects.framing import LOAD, Failed, Garbage, frame_start, parse_loaded, read_start
from headrace.dialects.wire import Gone, Late, Wire
from headrace.domain.body import BodyStore
from headrace.domain.errors import LimitReached, ModelFailed, ReplicaLost
from headrace.domain.question import Answer, Question

UNDER_WAY = "the model wrote into its connection to the server"


class Frames:
    """Answers larger than INLINE go into `store` while they arrive. `max_output`: bytes of one answer.

    `told` is what the program beside the model is told of the version that it runs.
    """

    def __init__(self, connection: socket.socket, store: BodyStore, max_output: int, told: Told | None = None) -> None:
        connection.settimeout(0)
        self._told = told or Told()
        self._connection, self._store, self._max_output = connection, store, max_output
        self._cell = Cell()
        self._wire: Wire | None = None
        self._exchange: Exchange | None = None

    async def ready(self, timeout: float) -> ReplicaInfo:
        until = asyncio.get_running_loop().time() + timeout
        try:
            load = frame_start(LOAD, {"output": self._max_output, **asdict(self._told)})
            socket.send_fds(self._connection, [load], [self._cell.descriptor])
            self._wire = await Wire.over(self._connection)
            kind, header, _ = await read_start(self._wire, lambda: until)
            loaded = parse_loaded(kind, header)
        except Late:
            raise LimitReached(f"the model was not ready within {timeout:g} s (timeout.status)") from None
        except (Gone, OSError):
            raise ModelFailed("the model ended while it was being loaded") from None
        except Garbage as error:
            raise ModelFailed(f"{UNDER_WAY}: {error}") from None
        if isinstance(loaded, Failed):
            raise ModelFailed(f"the model could not be loaded: {loaded.error}", technical=loaded.trace)
        self._exchange = Exchange(self._wire, self._cell, self._store, self._max_output)
        return ReplicaInfo(loaded.batch_size, loaded.inputs, loaded.outputs, loaded.tensors)

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        exchange, self._exchange = self._exchange, None  # it comes back after the last answer, and only then
        if exchange is None or self._wire is None or len(self._wire):
            raise ReplicaLost("this replica can no longer be asked")
        try:
            exchange.open(questions, timeout)
            while exchange.left:
                for answer in await exchange.more():
                    yield answer
        except Late:
            suspect, together = exchange.suspects()
            first = len(questions) - exchange.left if suspect is None else suspect
            late = f"the model did not answer within {timeout:g} s (timeout.run)"
            raise LimitReached(late, suspect=first, together=together) from None
        except (Gone, OSError):
            suspect, together = exchange.suspects()
            raise ReplicaLost("the replica ended before it had answered", suspect=suspect, together=together) from None
        except Garbage as error:
            suspect, together = exchange.suspects()
            raise ReplicaLost(f"{UNDER_WAY}: {error}", suspect=suspect, together=together) from None
        self._exchange = exchange

    def close(self) -> None:
        self._exchange = None
        if self._wire is not None:
            self._wire.close()
        self._connection.close()
        self._cell.close()
