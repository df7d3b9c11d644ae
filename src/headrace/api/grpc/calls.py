"""What a handler of a call is given, and what it gives: bytes in, bytes out. No frame reaches it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headrace.api.bodies import Bodies
from headrace.api.grpc.headers import Head
from headrace.api.grpc.turns import Turn
from headrace.domain.account import Action, Principal
from headrace.domain.body import Slot
from headrace.domain.errors import HeadraceError
from headrace.domain.question import Answer
from headrace.inference.ask import Tell, Ticket


@dataclass(frozen=True, slots=True)
class Call:
    """`deadline` is in the loop's time; `principal` is NOBODY for public methods.

    `trailing`: metadata behind the one answer. `hold` asks for room for bytes that a request grows by, until it is
    over: it raises Status. `turn`: among the calls of its connection, where its method keeps their order.
    """

    principal: Principal
    metadata: Mapping[str, str]
    deadline: float | None
    hold: Callable[[int], None]
    turn: Turn
    trailing: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Exchange:
    """Messages both ways, for calls with more than one of them."""

    receive: Callable[[], Awaitable[bytes | None]]  # None: the client has sent everything
    done: Callable[[int], None]  # with so many bytes of messages: until then they count, and hold up the next ones
    send: Callable[[bytes], Awaitable[None]]  # waits while the client does not read
    stopping: Callable[[], bool]  # the server is shutting down


Unary = Callable[[Call, bytes], Awaitable[bytes]]
Streaming = Callable[[Call, Exchange], Awaitable[None]]
Admit = Callable[[Head, tuple[Action, ...]], Awaitable[Principal]]
Said = bytes | Exception | Awaitable[bytes]  # an answer, why there is none, or what finds it out


class AtOnce(Protocol):
    """Does what `unary` does, without a coroutine. May raise."""

    def place(self, head: Head, beginning: bytes, size: int) -> Slot | None:
        """Where a message of `size` bytes is to lie, of a caller who may ask it. None: in memory of the door's own."""
        ...

    def ask(self, head: Head, message: bytes | Slot, tell: Tell) -> Ticket | None:
        """`tell` is called later. None when it takes more than a look into memory: then `unary` is called."""
        ...

    def said(self, told: Answer | HeadraceError) -> Said:
        """What was told, in words of gRPC."""
        ...

    def withdraw(self, ticket: Ticket) -> None:
        """Nobody wants the answer any more."""
        ...


@dataclass(frozen=True, slots=True)
class Method:
    """One of `unary` and `streaming`. Without actions it needs no key, and its messages have to be small.

    `in_order`: a call holds up those behind it on its connection that wait for their turn, until it says `turn.over()`.
    """

    actions: tuple[Action, ...]  # one of them must be allowed
    unary: Unary | None = None
    streaming: Streaming | None = None
    at_once: AtOnce | None = None
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the door. Times in seconds."""

    message: int = 0x7FFFFFFF  # bytes
    bodies: Bodies = field(default_factory=Bodies)  # what large messages count against, with those of other doors
    streams: int = 1_000  # calls at once on one connection
    connections: int = 1_000
    greeting: float = 10.0  # for the first frames of a connection
    body: float = 60.0  # between two pieces of a message
    unread: float = 300.0  # without a byte taken by a client that answers wait for
    idle: float = 600.0  # without a call, before we say goodbye; clients come back by themselves
