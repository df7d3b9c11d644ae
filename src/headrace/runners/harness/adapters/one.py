"""One answer from a model that streams, for a question that has one."""

from __future__ import annotations

import contextlib
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked, Given
from headrace.runners.harness.flow import DECOUPLED, Unwanted
from headrace.runners.harness.tensors import UNSUPPORTED, Refused


class _One:
    """Takes one answer and no second."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any] | Given] = []

    def wanted(self) -> bool:
        return len(self.found) < 2  # noqa: PLR2004 - the second is one too many

    def give(self, result: dict[str, Any] | Given) -> None:
        self.found.append(result)
        if not self.wanted():
            raise Unwanted


def only_one(model: Adapter, arrays: dict[str, Any], asked: Asked) -> dict[str, Any] | Given:
    """The answer of a model that streams, to a question that has one. Raises Refused when there are more, or none."""
    taker = _One()
    with contextlib.suppress(Unwanted):
        model.stream(arrays, asked, taker)
    if len(taker.found) != 1:
        raise Refused(DECOUPLED, UNSUPPORTED)
    return taker.found[0]
