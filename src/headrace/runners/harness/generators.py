"""Reads what a model's generator gives, sync or async, and closes it: also when nobody wants the rest."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from headrace.runners.harness.failures import log


def is_generator(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def hand_over(answers: Any, take: Callable[[Any], None], loop: asyncio.AbstractEventLoop | None = None) -> None:
    """`take` for each answer, as soon as it is there. Whatever it raises closes the generator."""
    if hasattr(answers, "__aiter__"):
        _of_async(answers, take, loop)
    elif isinstance(answers, dict) or not hasattr(answers, "__iter__"):
        take(answers)
    else:
        iterator = iter(answers)
        try:
            for one in iterator:
                take(one)
        finally:
            _close(iterator)


def _of_async(answers: Any, take: Callable[[Any], None], given: asyncio.AbstractEventLoop | None) -> None:
    loop = given or asyncio.new_event_loop()
    iterator = answers.__aiter__()
    try:
        while True:
            try:
                one = loop.run_until_complete(_next(iterator))
            except StopAsyncIteration:
                return
            take(one)
    finally:
        if hasattr(iterator, "aclose"):
            _quietly(lambda: loop.run_until_complete(iterator.aclose()))
        if given is None:
            loop.close()


async def _next(iterator: Any) -> Any:
    return await iterator.__anext__()


def _close(iterator: Any) -> None:
    if hasattr(iterator, "close"):
        _quietly(iterator.close)


def _quietly(close: Callable[[], Any]) -> None:
    """What goes wrong there is not the answer's error: that was said, or nobody listens."""
    try:
        close()
    except Exception as failure:  # noqa: BLE001 - also a generator that goes on although it was closed
        log(failure)
