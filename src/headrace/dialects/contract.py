"""A model that listens on a port: which contract it speaks is found out by what it answers, and then it is spoken."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Protocol

import msgspec

from headrace.dialects.dialect import Dialect, Parting, ReplicaInfo
from headrace.dialects.framing import Garbage
from headrace.dialects.http_client import HTTP_2, HttpClient, Request, TooMuch
from headrace.dialects.wire import Gone, Late
from headrace.domain.errors import LimitReached, ReplicaLost
from headrace.domain.image import Contract
from headrace.domain.question import Answer, Question
from headrace.domain.reach import Reach

LABEL = "io.headrace.contract"
GLANCE = 3.0  # seconds that a listener gets to say what it is, before the other ports are tried
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.1  # seconds between two rounds over the ports
LARGEST_METADATA = 1 << 20  # bytes

Speak = Callable[[Contract, int], "Listening"]


class Listening(Dialect, Parting, Protocol):
    """A dialect of a model that listens."""


class ByContract:
    """`speak` makes the dialect of a contract on a port."""

    def __init__(self, reach: Reach, speak: Speak) -> None:
        self._reach, self._speak = reach, speak
        self._spoken: Listening | None = None
        self._heard = ""

    async def ready(self, timeout: float) -> ReplicaInfo:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        try:
            async with asyncio.timeout_at(until):
                contract, port = await self._found()
        except TimeoutError:
            where = ", ".join(map(str, self._reach.ports))
            why = self._heard or f"it listens on none of the ports {where}"
            raise LimitReached(f"the model was not ready within {timeout:g} s (timeout.status): {why}") from None
        self._spoken = self._speak(contract, port)
        try:
            return await self._spoken.ready(max(0.001, until - loop.time()))
        except LimitReached as error:
            reason = f": {error.technical}" if error.technical else ""
            raise LimitReached(f"the model was not ready within {timeout:g} s (timeout.status){reason}") from None

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        if self._spoken is None:
            raise ReplicaLost("this replica can no longer be asked")
        stream = self._spoken.run(questions, timeout)
        async with aclosing(stream):  # type: ignore[type-var]
            async for answer in stream:
                yield answer

    async def leave(self, timeout: float) -> None:
        if self._spoken is not None:
            await self._spoken.leave(timeout)

    async def part(self) -> None:
        if self._spoken is not None:
            await self._spoken.part()

    def close(self) -> None:
        if self._spoken is not None:
            self._spoken.close()

    async def _found(self) -> tuple[Contract, int]:
        known = self._reach.contract or _said(dict(self._reach.config.labels).get(LABEL, ""))
        pause = FIRST_PAUSE
        while True:
            for port in self._reach.ports:
                contract = await self._at(port, known)
                if contract is not None:
                    return contract, port
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    async def _at(self, port: int, known: Contract | None) -> Contract | None:
        """The contract of whoever listens on this port; None when nobody does, or it says nothing yet."""
        client = HttpClient(lambda: self._reach.connect(port))
        until = asyncio.get_running_loop().time() + GLANCE
        try:
            if known is not None:
                (await self._reach.connect(port)).close()
                return known
            reply = await client.ask(Request("GET", "/v2"), until, LARGEST_METADATA)
        except Garbage as error:
            self._heard = f"on port {port}, {error}"
            return Contract.MODZY_GRPC if error.args[0] == HTTP_2 else None
        except TooMuch:
            return Contract.MODZY_HTTP
        except (Gone, Late):
            self._heard = f"it listens on port {port} and does not answer"
            return None
        except OSError:
            return None
        finally:
            client.close()
        return Contract.OIP if _is_server(reply.body) else Contract.MODZY_HTTP


def _said(label: str) -> Contract | None:
    with suppress(ValueError):
        return Contract(label)
    return None


def _is_server(body: bytes) -> bool:
    """Whether it is what a server of the Open Inference Protocol says of itself."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("name"), str) and ("version" in said or "extensions" in said)
