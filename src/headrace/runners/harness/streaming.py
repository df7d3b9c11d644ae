"""One question to a model that takes tensors, and its many answers.

They are pushed: by a generator that is read here, or by a model that sends them from threads of its own.
"""

from __future__ import annotations

from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Given
from headrace.runners.harness.failures import log, within
from headrace.runners.harness.files_form import Joined
from headrace.runners.harness.flow import Desk, Flow, Unwanted
from headrace.runners.harness.merge import arrays_of, replies
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.questions import Asked as Question
from headrace.runners.harness.questions import Started
from headrace.runners.harness.tensors import Reply, Request


class Tensors:
    """Makes what a model gives into replies, and hands them on. What an adapter's `stream` is given."""

    def __init__(self, facts: Facts, request: Request, flow: Flow | Whole) -> None:
        self._facts, self._request, self._flow = facts, request, flow
        self._names = None if request.outputs is None else tuple(one.name for one in request.outputs)

    def wanted(self) -> bool:
        return self._flow.wanted()

    def give(self, result: dict[str, Any] | Given) -> None:
        """Raises Unwanted when nobody wants more; and what is wrong with the result."""
        given = result if isinstance(result, Given) else Given(result)
        [reply] = replies(self._facts, [self._request], given, self._names)
        self._flow.give(reply)


class Whole:
    """All answers together, for those who can take one only."""

    def __init__(self, at_most: int) -> None:
        self.found: list[Reply] = []
        self._size, self._at_most = 0, at_most

    def wanted(self) -> bool:
        return True

    def give(self, reply: Reply) -> None:
        self._size += sum(len(one.raw) for one in reply.outputs)
        within(self._size, self._at_most)
        self.found.append(reply)


def stream_one(model: Adapter, facts: Facts, desk: Desk, given: tuple[Question, Request], started: Started) -> None:
    """All answers to one question, and the end."""
    asked, request = given
    flow, failure = Flow(desk, asked, started), None
    try:
        if model.streams:
            run_stream(model, facts, request, flow)
        else:
            arrays, told = arrays_of(facts, [request])
            Tensors(facts, request, flow).give(model.run(arrays, told))
    except Unwanted:
        pass
    except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever the model does costs its input only
        log(error)
        failure = error
    flow.end(failure)


def run_stream(model: Adapter, facts: Facts, request: Request, flow: Flow | Whole) -> None:
    arrays, told = arrays_of(facts, [request])
    model.stream(arrays, told, Tensors(facts, request, flow))


def the_whole(model: Adapter, facts: Facts, request: Request, at_most: int) -> Joined:
    """For a job's input, which has one result: see FilesForm."""
    whole = Whole(at_most)
    run_stream(model, facts, request, whole)
    return Joined(request, whole.found)
