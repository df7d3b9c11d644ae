"""A connection to a port inside another network namespace: nothing is published, and the model has no way out.

With the right to do so, a thread of ours enters the namespace, connects, and is gone: a socket stays where it was made.
Without it, a small program of our own user does the same by way of the model's user namespace, and hands it over.
"""

import array
import asyncio
import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

NEW_NET = 0x40000000
SECONDS = 5.0  # for a connection on the same machine
HELPER = Path(__file__).parent / "dialer.py"
LOOPBACKS = ("127.0.0.1", "::1")


async def dial(pid: int, port: int) -> socket.socket:
    """`pid`: a process inside. Connected and non-blocking. Raises OSError."""
    try:
        connected = await _in_thread(lambda: _entered(pid, port))
    except PermissionError:
        connected = await _in_thread(lambda: by_helper(pid, port))
    connected.settimeout(0)
    return connected


async def _in_thread(work: Callable[[], socket.socket]) -> socket.socket:
    """A thread of its own, which ends: one of a pool would stay in the namespace that it entered."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[socket.socket] = loop.create_future()

    def done(connected: socket.socket | None, error: BaseException | None) -> None:
        if future.done():
            if connected is not None:
                connected.close()
        elif connected is not None:
            future.set_result(connected)
        else:
            future.set_exception(error or OSError("no connection"))

    def run() -> None:
        connected: socket.socket | None = None
        failure: BaseException | None = None
        try:
            connected = work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for it
            failure = error
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(done, connected, failure)

    threading.Thread(target=run, name="dial", daemon=True).start()
    return await future


def _entered(pid: int, port: int) -> socket.socket:
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, NEW_NET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(namespace)
    return connect(port)


def connect(port: int) -> socket.socket:
    """To this machine, by either of its own addresses. Raises OSError."""
    error = OSError("no address")
    for address in LOOPBACKS:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        dialled = socket.socket(family, socket.SOCK_STREAM)
        try:
            dialled.settimeout(SECONDS)
            dialled.connect((address, port))
            dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as failure:
            dialled.close()
            error = error if isinstance(error, ConnectionRefusedError) else failure
        else:
            return dialled
    raise error


def by_helper(pid: int, port: int) -> socket.socket:
    """Raises OSError."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-I", "-S", str(HELPER), str(pid), str(port), str(theirs.fileno())]
        try:
            done = subprocess.run(  # noqa: S603 - the command is ours
                command,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=4 * SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the network of the model was not entered within {4 * SECONDS:g} s") from None
        ours.settimeout(0)
        try:
            said, descriptors, _, _ = socket.recv_fds(ours, 16, 1)
        except BlockingIOError:
            reason = done.stderr.decode(errors="replace").strip()[-300:]
            raise ConnectionError(f"the network of the model cannot be entered: {reason}") from None
    if not descriptors:
        number = int.from_bytes(said) or 5
        raise OSError(number, os.strerror(number))
    return socket.socket(fileno=array.array("i", descriptors)[0])
