"""One thread for each replica: starts it, watches it to its end, and says so in the event loop.

A thread and not a task: the kernel ends the children of a thread that ends, so the model dies with the server however
that goes; and a server that is busy for a moment still holds the limits.
"""

import asyncio
import logging
import shutil
import subprocess
import threading
from contextlib import suppress
from typing import TypeVar

from headrace.domain.errors import Unsupported
from headrace.runners.limits import Limits
from headrace.runners.log import Log
from headrace.runners.runner import Ending
from headrace.runners.watch import Start, Watch

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Guard:
    def __init__(self, name: str, start: Start, limits: Limits, log: Log) -> None:
        self._start, self._log = start, log
        self._watch = Watch(start, limits, log)
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[OSError | None] = self._loop.create_future()
        self._ended: asyncio.Future[Ending] = self._loop.create_future()
        self._thread = threading.Thread(target=self._live, name=f"guard {name}", daemon=True)

    async def start(self) -> None:
        """Raises Unsupported."""
        self._thread.start()
        if error := await asyncio.shield(self._started):
            raise Unsupported(f"the model's process cannot be started: {error.strerror}", technical=str(error))

    @property
    def pid(self) -> int:
        """Of the first process: ours in plain mode, bubblewrap's in the sandbox. 0 before the start."""
        return self._watch.pid

    async def ended(self) -> Ending:
        return await asyncio.shield(self._ended)

    async def stop(self, grace: float) -> Ending:
        self._watch.stop(grace)
        return await self.ended()

    def _live(self) -> None:
        ending = Ending(code=-1)
        try:
            with self._log, self._popen() as process:
                self._watch.pid = process.pid
                self._tell(self._started, None)
                try:
                    ending = self._watch.run(process)
                except Exception:
                    logger.exception("a model is ended, because its guard has failed")
                    self._watch.end(process)
        except OSError as error:
            self._tell(self._started, error)
        finally:
            shutil.rmtree(self._start.folder, ignore_errors=True)
            self._watch.close()
            self._tell(self._ended, ending)

    def _popen(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - the command is made by process.py and sandbox.py
            self._start.command,
            cwd=self._start.model,
            env=self._start.environment,
            pass_fds=self._start.inherits,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _tell(self, future: "asyncio.Future[T]", value: T) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(_set, future, value)


def _set(future: "asyncio.Future[T]", value: T) -> None:
    if not future.done():
        future.set_result(value)
