"""What a handler of a call is given, and what it gives: bytes in, bytes out. No frame reaches it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from headrace.api.oip.grpc.headers import Head
from headrace.domain.account import Action, Principal


@dataclass(frozen=True, slots=True)
class Call:
    """`deadline` is in the loop's time; `principal` is NOBODY for public methods."""

    principal: Principal
    metadata: Mapping[str, str]
    deadline: float | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """Messages both ways, for calls with more than one of them."""

    receive: Callable[[], Awaitable[bytes | None]]  # None: the client has sent everything
    send: Callable[[bytes], Awaitable[None]]  # waits while the client does not read
    stopping: Callable[[], bool]  # the server is shutting down


Unary = Callable[[Call, bytes], Awaitable[bytes]]
Streaming = Callable[[Call, Exchange], Awaitable[None]]
Admit = Callable[[Head, tuple[Action, ...]], Awaitable[Principal]]
Said = bytes | Exception | Awaitable[bytes]  # an answer, why there is none, or what finds it out
Told = Callable[[Said], None]
CallOff = Callable[[], None]
AtOnce = Callable[[Head, bytes, Told], CallOff | None]


@dataclass(frozen=True, slots=True)
class Method:
    """One of `unary` and `streaming`. Without actions it needs no key, and its messages have to be small.

    `at_once` does what `unary` does without a coroutine, and calls back later with the answer. It gives a way to call
    that off; or None, when it takes more than a look into memory: then `unary` is called. It may raise.
    """

    actions: tuple[Action, ...]  # one of them must be allowed
    unary: Unary | None = None
    streaming: Streaming | None = None
    at_once: AtOnce | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the door. Times in seconds."""

    message: int = 0x7FFFFFFF  # bytes
    bodies: int = 1 << 30  # bytes of large messages in memory, all connections together
    streams: int = 1_000  # calls at once on one connection
    connections: int = 1_000
    greeting: float = 10.0  # for the first frames of a connection
    body: float = 60.0  # between two pieces of a message
    unread: float = 300.0  # without a byte taken by a client that answers wait for
    idle: float = 600.0  # without a call, before we say goodbye; clients come back by themselves
