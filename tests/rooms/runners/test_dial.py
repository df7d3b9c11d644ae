"""What is heard where no connection into another network namespace is made."""

import asyncio
import os
import socket
import subprocess

import pytest

from headrace.runners import dial as dialling
from headrace.runners.dial import by_helper


@pytest.mark.parametrize("failure", [subprocess.TimeoutExpired("dialer", 20), ValueError("odd"), OSError("no way")])
async def test_whoever_waits_hears_of_every_failure(failure: Exception) -> None:
    def work() -> socket.socket:
        raise failure

    async with asyncio.timeout(10):
        with pytest.raises(type(failure)):
            await dialling._in_thread(work)  # noqa: SLF001


async def test_a_helper_that_does_not_end_is_a_connection_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.runners.dial.SECONDS", 0.0001)
    with pytest.raises(TimeoutError, match="was not entered within"):
        await asyncio.to_thread(by_helper, os.getpid(), 1)
