"""A door of simple methods, and a client that writes its frames by hand: so that it can also write wrong ones."""

import asyncio
import socket
import weakref
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from headrace.api.grpc import http2
from headrace.api.grpc.calls import Limits, Method
from headrace.api.grpc.door import Door
from headrace.api.grpc.headers import block
from headrace.api.grpc.status import Code, Status
from headrace.domain.account import Action
from headrace.domain.body import Slot
from headrace.domain.errors import Unauthenticated, Unavailable

ASK = (Action.SUBMIT_JOBS,)
PLACED = 64 * 1024  # bytes of a message that lies in a place of its method's choice
KEY = "ApiKey good"
HELLO = http2.PREFACE + http2.settings({})


async def admit(head, _actions):
    if head.caller.authorization == "wait":
        await asyncio.Event().wait()
    if head.caller.authorization not in (KEY, None):
        raise Unauthenticated("this access key is not known here")
    return head.caller.authorization


async def echo(_call, message):
    return message


async def large(_call, message):
    return bytes(int(message))


async def metadata(call, _message):
    return "\n".join(f"{name}={value}" for name, value in sorted(call.metadata.items())).encode()


async def refuse(_call, message):
    raise Status(Code.FAILED_PRECONDITION, message.decode())


async def break_(_call, _message):
    raise ZeroDivisionError


async def bidi(_call, exchange):
    while (message := await exchange.receive()) is not None:
        await exchange.send(message)
        exchange.done(len(message))


async def deaf(_call, _exchange):
    await asyncio.Event().wait()


async def many(_call, exchange):
    for index in range(int(await exchange.receive())):
        await exchange.send(b"%d" % index)


class Slow:
    """Answers when it is told to; knows who was called off."""

    def __init__(self):
        self.begun, self.ended, self.go = asyncio.Semaphore(0), asyncio.Semaphore(0), asyncio.Event()
        self.called_off = 0

    async def __call__(self, _call, message):
        self.begun.release()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.called_off += 1
            raise
        finally:
            self.ended.release()
        return message


class Keeper:
    """Works on all messages of a stream at once, and is done with them when it is told to."""

    def __init__(self):
        self.sizes, self.done = [], asyncio.Event()

    async def __call__(self, _call, exchange):
        async with asyncio.TaskGroup() as group:
            while (message := await exchange.receive()) is not None:
                self.sizes.append(len(message))
                group.create_task(self._keep(exchange, message))
        await exchange.send(b"%d" % len(self.sizes))

    async def _keep(self, exchange, message):
        await self.done.wait()
        exchange.done(len(message))


class Quick:
    """Gives back what it gets, without a coroutine: at the end of the turn, or when it is told to.

    A message "no" is refused at once, "unary" is left to `unary`. Large ones lie in memory of its own.
    """

    def __init__(self):
        self.asked, self.withdrawn = [], []
        self.slots: list[weakref.ref] = []  # that were given
        self.waits: list | None = None  # of those that are answered when it is told to

    async def unary(self, _call, message):
        return b"unary:" + message

    def place(self, _head, _beginning, size):
        if size < PLACED:
            return None
        slot = Slot(memoryview(bytearray(size)))
        self.slots.append(weakref.ref(slot))
        return slot

    def ask(self, _head, message, tell):
        if message == b"no":
            raise Unavailable("it says no")
        if message == b"unary":
            return None
        ticket = [tell, message]
        self.asked.append(len(message))
        if self.waits is None:
            asyncio.get_running_loop().call_soon(self.answer, ticket)
        else:
            self.waits.append(ticket)
        return ticket

    def answer(self, ticket):
        if ticket not in self.withdrawn:
            tell, message = ticket
            tell(message if isinstance(message, bytes) else bytes(message.view))

    def said(self, told):
        return told

    def withdraw(self, ticket):
        self.withdrawn.append(ticket)

    @property
    def method(self):
        return Method(ASK, self.unary, at_once=self)


@dataclass
class Served:
    port: int
    door: Door
    slow: Slow
    quick: Quick
    keeper: Keeper


@asynccontextmanager
async def served(limits=None):
    slow, quick, keeper = Slow(), Quick(), Keeper()
    methods = {
        "/t/Quick": quick.method,
        "/t/Echo": Method(ASK, echo),
        "/t/Large": Method(ASK, large),
        "/t/Metadata": Method(ASK, metadata),
        "/t/Refuse": Method(ASK, refuse),
        "/t/Break": Method(ASK, break_),
        "/t/Slow": Method(ASK, slow),
        "/t/Public": Method((), echo),
        "/t/Bidi": Method(ASK, streaming=bidi),
        "/t/Deaf": Method(ASK, streaming=deaf),
        "/t/Keep": Method(ASK, streaming=keeper),
        "/t/Many": Method(ASK, streaming=many),
    }
    door = Door(methods, admit, limits or Limits())
    async with listening(door) as port:
        yield Served(port, door, slow, quick, keeper)


@asynccontextmanager
async def listening(door):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(door.serve(listener))
            await asyncio.sleep(0)
            try:
                yield listener.getsockname()[1]
            finally:
                serving.cancel()


def request(path="/t/Echo", *more):
    """A header block."""
    first = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"x")]
    return block([*first, (b"te", b"trailers"), (b"content-type", b"application/grpc"), *more])


def message(body):
    return len(body).to_bytes(5, "big") + body


def call(stream=1, path="/t/Echo", body=b"hello"):
    headers = http2.frame(http2.HEADERS, http2.END_HEADERS, stream, request(path))
    return headers + http2.frame(http2.DATA, http2.END_STREAM, stream, message(body))


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes = field(repr=False)

    @property
    def code(self):
        return int.from_bytes(self.payload[-4:] if self.kind == http2.RST_STREAM else self.payload[4:8], "big")


class Wire:
    """A connection on which anything may be written."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def write(self, data):
        self.writer.write(data)

    async def frame(self):
        """None at the end of the connection."""
        try:
            async with asyncio.timeout(10):
                head = await self.reader.readexactly(9)
                high, low, kind, flags, stream = http2.HEAD.unpack(head)
                return Frame(kind, flags, stream, await self.reader.readexactly(high << 8 | low))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return None

    async def until(self, kind, *, flags=None):
        while (frame := await self.frame()) is not None:
            if frame.kind == kind and (flags is None or frame.flags & flags):
                return frame
        raise AssertionError(f"the connection ended without a frame of kind {kind}")

    async def all(self):
        return [frame async for frame in self._frames()]

    async def _frames(self):
        while (frame := await self.frame()) is not None:
            yield frame


@asynccontextmanager
async def wire(port, *, greeting=HELLO):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(greeting)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
