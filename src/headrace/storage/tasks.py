"""Callers' functions that wait for a writer: each runs in a savepoint of its own; all callers are woken at the end."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from headrace.storage.database import Tx
from headrace.storage.prepared import Command

# Always of the same name: each new one would be another text for the driver to parse and to keep.
_SAVE = Command(text("savepoint of_one"))
_KEEP = Command(text("release savepoint of_one"))
_UNDO = Command(text("rollback to savepoint of_one"))


@dataclass(slots=True)
class Task:
    transaction: Callable[[Tx], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    value: Any = None
    error: Exception | None = None


def run_task(connection: Connection, task: Task, *, alone: bool, ends_all: Callable[[Exception], bool]) -> None:
    """Errors of the function are kept for its caller; those that end the whole transaction are raised."""
    task.value = task.error = None
    if not alone:
        _SAVE.run(connection, {})
    try:
        task.value = task.transaction(connection)
        if not alone:
            _KEEP.run(connection, {})
    except Exception as error:  # handed to the caller who asked
        if ends_all(error):
            raise
        if not alone:
            _UNDO.run(connection, {})
        task.error = error


def deliver(group: Sequence[Task]) -> None:
    """One wake-up for each event loop, however many callers it has in the group."""
    for loop in {task.loop for task in group}:
        mine = [task for task in group if task.loop is loop]
        try:
            loop.call_soon_threadsafe(_give, mine)
        except RuntimeError:  # the loop was closed: nobody waits any more
            continue


def _give(tasks: Sequence[Task]) -> None:
    for task in tasks:
        if task.future.done():
            continue
        if task.error is None:
            task.future.set_result(task.value)
        else:
            task.future.set_exception(task.error)
