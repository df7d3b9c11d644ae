"""Errors of models and requests, as the sentences, faults and statuses that are sent."""

from __future__ import annotations

import contextlib
import errno
import traceback

from headrace.runners.harness.tensors import MODEL, Refused

LONGEST_ERROR = 2_000  # characters
LIMITS = {errno.EFBIG: "bytes in one file", errno.EMFILE: "open files", errno.EAGAIN: "processes", errno.ENOSPC: "disk"}


class OverLimit(Exception):
    """A model's return value is over a limit: the message says which."""


def within(size: int, at_most: int) -> None:
    """Raises OverLimit for outputs of more than `at_most` bytes."""
    if size > at_most:
        raise OverLimit(f"its outputs are {size} bytes together, the limit is {at_most} bytes")


def clean(text: str) -> str:
    """What every reader of JSON takes: no half characters."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def sentence(failure: BaseException) -> str:
    try:
        text = _reason(failure)
    except Exception:  # noqa: BLE001 - an exception of the model may fail even when it is printed
        text = type(failure).__name__
    return clean(text[:LONGEST_ERROR])


def message(failure: BaseException) -> str:
    """As the Open Inference Protocol's clients see it: what the model said, without the name of its error."""
    if isinstance(failure, Exception) and not isinstance(failure, (LookupError, OSError, RecursionError, MemoryError)):
        with contextlib.suppress(Exception):
            text = str(failure)
            if text.strip() and "start new thread" not in text:
                return clean(text[:LONGEST_ERROR])
    return sentence(failure)


def fault(failure: BaseException) -> tuple[str, dict[str, str]]:
    """Whose fault it is, and the status where the model's error names one."""
    if isinstance(failure, Refused):
        return failure.kind, {}
    with contextlib.suppress(Exception):
        for name in ("status_code", "status"):
            status = getattr(failure, name, None)
            if isinstance(status, int) and 400 <= status < 600:  # noqa: PLR2004 - errors of HTTP
                return MODEL, {"status": str(int(status))}
    return MODEL, {}


def _reason(failure: BaseException) -> str:
    if isinstance(failure, (OverLimit, Refused)):
        return str(failure)
    if isinstance(failure, MemoryError):
        return "MemoryError: the model asked for more memory than its limit"
    if isinstance(failure, SystemExit):
        return f"the model called sys.exit({failure.code!r})"
    text = traceback.format_exception_only(type(failure), failure)[-1].strip()
    if isinstance(failure, SyntaxError):  # its file and line stand in lines of their own there
        text = f"{type(failure).__name__}: {failure}"
    if isinstance(failure, OSError) and failure.errno in LIMITS:
        return f"{text}: the model reached its limit of {LIMITS[failure.errno]}"
    return f"{text}{_advice(failure, text)}"


def _advice(failure: BaseException, text: str) -> str:
    if isinstance(failure, ModuleNotFoundError):
        return ": name the package that brings it in requirements.txt"
    if isinstance(failure, RuntimeError) and "start new thread" in text:
        return ": the model reached its limit of threads"
    return ""


def log(failure: BaseException) -> None:
    if not isinstance(failure, Refused):
        with contextlib.suppress(Exception):
            traceback.print_exception(type(failure), failure, failure.__traceback__)
