"""Our own protocol to a model beside the harness (framing.py): load it, ask it, read its answers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from headrace.dialects import calls
from headrace.dialects.cell import Cell
from headrace.dialects.dialect import ReplicaInfo, Taker, Told
from headrace.dialects.exchange import Exchange
from headrace.dialects.framing import LOAD, Failed, Garbage, frame_start, parse_loaded, read_start
from headrace.dialects.lane import Lane
from headrace.dialects.ledger import UNDER_WAY, Ledger
from headrace.dialects.straight import Line, may_go_straight
from headrace.dialects.wire import Gone, Late, Wire
from headrace.domain.body import BodyStore
from headrace.domain.errors import LimitReached, ModelFailed, ReplicaLost
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Question
from headrace.domain.route import refusal


@dataclass(frozen=True, slots=True)
class _Open:
    """What there is once the model is loaded."""

    wire: Wire
    ledger: Ledger
    line: Line


class Frames:
    """Answers larger than INLINE go into `store` while they arrive. `max_output`: bytes of one answer.

    `told` is what the program beside the model is told of the version that it runs; `outside` answers its questions to
    other models.
    """

    def __init__(
        self,
        connection: socket.socket,
        store: BodyStore,
        max_output: int,
        told: Told | None = None,
        outside: calls.Exchange | None = None,
    ) -> None:
        connection.settimeout(0)
        self._told = told or Told()
        self._connection, self._store, self._max_output = connection, store, max_output
        key = VersionKey(self._told.model, self._told.version)
        self._cell, self._lane = Cell(), Lane(key, self._forget)
        self._calls = calls.Calls(key, outside, max_output, self._left)
        self._wire: Wire | None = None
        self._open: _Open | None = None

    async def ready(self, timeout: float) -> ReplicaInfo:
        until = asyncio.get_running_loop().time() + timeout
        try:
            load = frame_start(LOAD, {"output": self._max_output, **asdict(self._told)})
            theirs = [self._cell.descriptor, self._lane.theirs.fileno(), self._calls.theirs.fileno()]
            socket.send_fds(self._connection, [load], theirs)
            self._lane.sent()
            await self._calls.open()
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
        if loaded.tensors is not None and (why := refusal(loaded.tensors.routes)) is not None:
            raise ModelFailed(f"the model could not be loaded: {why}")
        ledger = Ledger(self._cell, self._max_output)
        self._open = _Open(self._wire, ledger, Line(self._wire, ledger, self._lane, self._max_output))
        return ReplicaInfo(loaded.batch_size, loaded.inputs, loaded.outputs, loaded.tensors)

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        here = self._free()
        exchange = Exchange(here.wire, here.ledger, self._store, self._max_output)
        here.line.spoilt = True  # until it has come to its end
        try:
            exchange.open(questions, timeout, self._lane)
            while here.ledger.left:
                for answer in await exchange.more():
                    yield answer
        except (Late, Gone, Garbage, OSError) as error:
            raise here.ledger.blame(error) from None
        here.line.spoilt = False

    def straight(self, questions: Sequence[Question], timeout: float, taker: Taker) -> bool:
        if not may_go_straight(questions):
            return False
        here = self._free()
        try:
            here.line.ask(questions, timeout, taker)
        except (Gone, OSError) as error:
            raise here.ledger.blame(error) from None
        return True

    def refuse(self) -> None:
        """Nobody wants the rest of the stream that is running."""
        if self._open is not None:
            self._open.ledger.refuse()

    def _forget(self) -> None:
        """Memory was given up: an idle replica is told at once, a busy one before its next questions."""
        here = self._open
        if here is not None and not here.ledger.left and not here.line.spoilt:
            with suppress(Gone):
                here.wire.write(self._lane.forget())

    def _left(self) -> float | None:
        """Seconds that the next answer may take; None when nothing is asked."""
        here = self._open
        if here is None or not here.ledger.left:
            return None
        return max(0.0, here.ledger.deadline - asyncio.get_running_loop().time())

    def _free(self) -> _Open:
        """Raises ReplicaLost after an exchange that did not come to its end, and when something came unasked."""
        here = self._open
        if here is None or here.ledger.left or here.line.spoilt or len(here.wire):
            raise ReplicaLost("this replica can no longer be asked")
        return here

    def close(self) -> None:
        if self._open is not None:
            self._open.line.close()
        self._open = None
        if self._wire is not None:
            self._wire.close()
        self._connection.close()
        self._calls.close()
        self._lane.close()
        self._cell.close()
