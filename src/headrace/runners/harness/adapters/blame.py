"""Whose fault it is when a library fails on what it was given: the request's, where no code of the owner's ran."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from headrace.runners.harness.tensors import Refused

# of XGBoost, around its sentence
_WHERE = re.compile(r"\A\[[\d:]+\] \S+:\d+: (?:Check failed: [^:]*: )?")
_TRACE = "\nStack trace"
_MEMORY = re.compile(r"allocat|bad_alloc|out of memory", re.IGNORECASE)


@contextmanager
def blaming_the_request(*kinds: type[BaseException]) -> Iterator[None]:
    """What a library says of data that it cannot take is the request's fault. Raises Refused instead of `kinds`.

    A lack of memory is told as it is.
    """
    try:
        yield
    except kinds as error:
        said = in_words(error)
        if _MEMORY.search(said):
            raise
        raise Refused(f"the model cannot take these inputs: {said}") from error


def in_words(error: BaseException) -> str:
    """What a library said, without where in its source it said so."""
    return _WHERE.sub("", str(error).partition(_TRACE)[0]).strip() or type(error).__name__
