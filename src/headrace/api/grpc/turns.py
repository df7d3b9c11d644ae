"""Calls of one connection that may belong together: they go on in the order in which their client began them.

To have a whole message may take a while, and one takes longer than another: the rest of it is on its way, or it is
unpacked, or fetched from shared memory. So a request of a sequence waits until each of its caller's before it is asked,
or known to be of no sequence, or over.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable


class Turns:
    """By caller: where a proxy sends the calls of many on one connection, nobody waits for what another one sends."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, OrderedDict[Turn, None]] = {}

    def begin(self, caller: Hashable) -> "Turn":
        turn = Turn(self, caller)
        self._lines.setdefault(caller, OrderedDict())[turn] = None
        return turn

    def first(self, turn: "Turn") -> bool:
        """Whether it holds up others, and nobody holds it up."""
        line = self._lines.get(turn.caller)
        return line is not None and next(iter(line)) is turn

    def over(self, turn: "Turn") -> None:
        line = self._lines.get(turn.caller)
        if line is None or turn not in line:
            return
        del line[turn]
        if line:
            next(iter(line)).comes.set()
        else:
            del self._lines[turn.caller]


class Turn:
    """Of one call. Until it is over it holds up those behind it that wait for theirs."""

    __slots__ = ("_turns", "caller", "comes")

    def __init__(self, turns: Turns, caller: Hashable) -> None:
        self._turns, self.caller, self.comes = turns, caller, asyncio.Event()

    async def come(self) -> None:
        """Until none is before it."""
        if not self._turns.first(self):
            await self.comes.wait()

    def over(self) -> None:
        self.comes.set()
        self._turns.over(self)


NO_TURN = Turn(Turns(), None)  # nothing is before it, and nothing behind
NO_TURN.over()
