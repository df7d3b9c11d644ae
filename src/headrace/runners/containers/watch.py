"""One thread for each container, from its start to its end: what it prints, what it uses, how it ends.

The engine and the kernel hold most limits; what they do not tell or do not hold (bytes in the shared folder, how much
memory it was) is looked at here, four times a second while the container runs. At rest there is one short look a
second, whether it has run at all: no event tells that a process has written something, and its end comes as one anyway.
"""

import asyncio
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import socket
from typing import TypeVar

from headrace.domain.errors import HeadraceError, Unavailable
from headrace.domain.reach import Shared
from headrace.runners.containers.counters import Counters, Reading
from headrace.runners.containers.plain import Address, Unmixed, ask, attach
from headrace.runners.limits import Limits, amount, written
from headrace.runners.log import Log
from headrace.runners.runner import Ending
from headrace.runners.stillness import Stillness

LOOK = 0.25  # seconds
LOOK_AT_REST = 1.0  # the same after one at which the container had not run since the one before
READ = 64 * 1024
MOST_LOG = 16 << 20  # bytes between two looks; then it has to wait
ALARMED = 50  # milliseconds from the alarm to the end of a process
KILLED, SIGNALLED = 137, 128
NEARLY = 0.98  # of the limit: the kernel kills for want of the next page, not for having the last
OK = 200
T = TypeVar("T")
TRIES, PAUSE = 40, 0.25  # until the engine says how a container ended


class Watch:
    def __init__(self, address: Address, container: str, limits: Limits, log: Log, shared: Shared) -> None:
        self._address, self._container, self._limits = address, container, limits
        self._log, self._shared = log, shared
        self._loop = asyncio.get_running_loop()
        self._attached: asyncio.Future[HeadraceError | None] = self._loop.create_future()
        self._ended: asyncio.Future[Ending] = self._loop.create_future()
        self._bell, self._rope = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._ringing = threading.Lock()
        self._counters: Counters | None = None
        self._stillness = Stillness()
        self._alarm: int | None = None
        self._limit: str | None = None
        self._printed = 0
        self._over = False
        self.asked = False  # we have asked it to end
        self._thread = threading.Thread(target=self._live, name=f"container {container[:12]}", daemon=True)

    async def start(self) -> None:
        """Before the container is started, so nothing that it prints is lost. Raises what is wrong with it."""
        self._thread.start()
        if error := await asyncio.shield(self._attached):
            raise error

    def counted(self, counters: Counters) -> None:
        """It runs: from now on its counters are read."""
        self._counters, alarm = counters, counters.alarm()
        with self._ringing:
            if self._rope >= 0:
                self._alarm = alarm
            elif alarm is not None:
                os.close(alarm)
        self._ring()

    async def ended(self) -> Ending:
        return await asyncio.shield(self._ended)

    @property
    def over(self) -> bool:
        return self._ended.done()

    def give_up(self) -> None:
        """It was never started."""
        self._over = True
        self._ring()

    def _ring(self) -> None:
        with self._ringing, suppress(BlockingIOError):
            if self._rope >= 0:
                os.write(self._rope, b"!")

    def _live(self) -> None:
        ending = Ending(code=-1)
        try:
            with self._log:
                try:
                    stream = attach(self._address, self._container)
                except HeadraceError as error:
                    self._tell(self._attached, error)
                    return
                self._tell(self._attached, None)
                ending = self._watched(stream)
        finally:
            self._close()
            self._tell(self._ended, ending)

    def _watched(self, stream: socket) -> Ending:
        """An engine that was restarted has hung up, and the container may run on."""
        while True:
            with stream:
                self._follow(stream)
            if self._over:
                return Ending(code=-1)
            state = self._state()
            if state is None:
                return Ending(limit=f"the container engine at {self._address} does not answer any more")
            if not state.get("Running"):
                return self._ending(state)
            with suppress(HeadraceError):
                stream = attach(self._address, self._container)
                continue
            time.sleep(PAUSE)

    def _follow(self, stream: socket) -> None:
        """Until the stream ends."""
        frames, poller, next_look = Unmixed(), select.poll(), time.monotonic() + LOOK
        poller.register(stream, select.POLLIN)
        poller.register(self._bell, select.POLLIN)
        silent = False
        while not self._over:
            wait = max(0, int((next_look - time.monotonic()) * 1000) + 1)
            ready = {descriptor for descriptor, _ in poller.poll(wait)}
            if stream.fileno() in ready and not self._print(stream, frames):
                return
            if self._printed >= MOST_LOG and not silent:
                silent = True
                poller.unregister(stream)
            if self._bell in ready:
                self._rung(poller)
            if self._alarm is not None and self._alarm in ready:
                self._alarmed(self._alarm)
            if time.monotonic() >= next_look:
                next_look, self._printed = time.monotonic() + self._look(), 0
                if silent:
                    silent = False
                    poller.register(stream, select.POLLIN)

    def _rung(self, poller: select.poll) -> None:
        with suppress(BlockingIOError):
            os.read(self._bell, READ)
        if self._alarm is not None:
            poller.register(self._alarm, select.POLLIN)

    def _print(self, stream: socket, frames: Unmixed) -> bool:
        """False when nothing more will come."""
        try:
            data = stream.recv(READ)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._log.write(frames.printed(data))
        self._printed += len(data)
        return bool(data)

    def _look(self) -> float:
        """Seconds until the next one."""
        pid = self._counters.pid if self._counters is not None else 0
        if pid and self._stillness.lasts(pid):
            return LOOK_AT_REST
        if pid:
            self._stillness.begin(pid)
        self._look_at_memory()
        if self._limit is None and (limit := self._limits.over_disk(written(self._shared.folder, self._shared))):
            self._stop(limit)
        return LOOK

    def _alarmed(self, alarm: int) -> None:
        """Rung before the kernel kills, and again when the container is gone: the count in between is soon lost."""
        with suppress(OSError):
            os.read(alarm, 8)
        for _ in range(ALARMED):
            self._look_at_memory()
            if self._limit is not None:
                return
            time.sleep(0.001)

    def _look_at_memory(self) -> None:
        if self._counters is None:
            return
        reading = self._counters.read()
        if reading.killed and self._limit is None:
            self._stop(self._hungry(reading))

    def _stop(self, limit: str) -> None:
        """Whatever of it still lives ends too: a model that lost one of its processes is no longer the model."""
        self._limit = limit
        with suppress(Unavailable):
            ask(self._address, "POST", f"/containers/{self._container}/kill?signal=KILL")

    def _hungry(self, reading: Reading) -> str:
        most = self._limits.memory
        return f"it used {amount(max(reading.peak, most))} of memory, its limit is {amount(most)}"

    def _state(self) -> dict[str, object] | None:
        """Once the stream has ended, the engine needs a moment to know that the container has. None: it is silent."""
        state: dict[str, object] | None = None
        for attempt in range(TRIES):
            time.sleep(0 if not attempt else PAUSE / 10)
            try:
                status, said = ask(self._address, "GET", f"/containers/{self._container}/json")
            except Unavailable:
                time.sleep(PAUSE)
                continue
            found = said.get("State") if status == OK and isinstance(said, dict) else None
            state = dict(found) if isinstance(found, dict) else {"Running": False, "ExitCode": -1}
            if not state.get("Running"):
                break
        return state

    def _ending(self, state: dict[str, object]) -> Ending:
        found = state.get("ExitCode")
        code = found if isinstance(found, int) else -1
        limit = self._limit
        if limit is None and not self.asked:
            limit = self._why_killed(code, told=bool(state.get("OOMKilled")))
        if code > SIGNALLED:
            return Ending(signal=code - SIGNALLED, limit=limit)
        return Ending(code=code, limit=limit)

    def _why_killed(self, code: int, *, told: bool) -> str | None:
        """Podman 4 never says that it was memory, and the counters may have vanished before they were read."""
        reading = self._counters.last if self._counters is not None else Reading()
        if told or reading.killed or (code == KILLED and reading.peak >= NEARLY * self._limits.memory):
            return self._hungry(reading)
        if code == KILLED:
            most, seen = amount(self._limits.memory), amount(reading.peak)
            return f"it was killed, most likely over its limit of {most} of memory (the most that was seen is {seen})"
        return None

    def _close(self) -> None:
        with self._ringing:
            for descriptor in (self._bell, self._rope, self._alarm):
                if descriptor is not None:
                    os.close(descriptor)
            self._bell = self._rope = -1
            self._alarm = None

    def _tell(self, future: "asyncio.Future[T]", value: T) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(_set, future, value)


def _set(future: "asyncio.Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)


@contextmanager
def closing(watch: Watch) -> Iterator[Watch]:
    """For a start that fails half-way."""
    try:
        yield watch
    except BaseException:
        watch.give_up()
        raise
