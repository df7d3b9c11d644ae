"""Requests of HTTP for routes of the model's own: any number of pieces of an answer, the first with status and headers.

A question's body is the head of the request as JSON, `meta["head"]` bytes of it, and then the request's body. The
first answer is made in the same way; those that follow are further pieces of its body.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from headrace.runners.harness.adapters.adapter import Adapter, HttpRequest
from headrace.runners.harness.answers import Answers
from headrace.runners.harness.failures import log, within
from headrace.runners.harness.flow import Flow, Unwanted
from headrace.runners.harness.jsons import dumps, loads
from headrace.runners.harness.questions import Asked, Bodies, Started

HEAD = "head"  # in the meta of questions and answers


class Piece(NamedTuple):
    """Of an answer. `head` only with the first one."""

    body: bytes
    head: dict[str, Any] | None = None


class RoutesDesk:
    """`at_most`: bytes of one piece."""

    def __init__(self, model: Adapter, name: str, answers: Answers, at_most: int) -> None:
        self._model, self._answers, self._at_most = model, answers, at_most
        self.name = name

    def answer_all(self, questions: list[Asked], bodies: Bodies, started: Started) -> None:
        """Of the one question: the server sends no other with it."""
        asked = questions[0]
        started(0, 1)
        flow, failure = Flow(self, asked, started), None
        try:
            self._model.respond(_request(asked, bodies), Outgoing(flow))
        except Unwanted:
            pass
        except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever the model does costs its request only
            log(error)
            failure = error
        flow.end(failure)

    def encode(self, _asked: Asked, piece: Any) -> tuple[list[tuple[str, int]], list[bytes], dict[str, str]]:
        """`piece` is a Piece: a flow hands on what it is given."""
        head = b"" if piece.head is None else dumps(piece.head)
        body = head + piece.body
        within(len(body), self._at_most)
        return [("", len(body))], [body], {} if piece.head is None else {HEAD: str(len(head))}

    def send(self, head: tuple[Any, ...], contents: list[bytes], last: bool) -> None:
        self._answers.add(head, contents, last)


class Outgoing:
    """Takes an answer as it is made: what an adapter calls Pieces."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._head: dict[str, Any] | None = None

    def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        self._head = {"status": status, "headers": headers}

    def give(self, body: bytes) -> None:
        """Waits while the reader is slow. Raises Unwanted when the caller is gone."""
        piece: Any = Piece(body, self._head)
        self._head = None
        self._flow.give(piece)


def _request(asked: Asked, bodies: Bodies) -> HttpRequest:
    body, length = bodies.one(asked), int(asked.meta[HEAD])
    head = loads(bytes(body[:length]))
    headers = [(name, value) for name, value in head["headers"]]
    return HttpRequest(head["method"], head["path"], head["query"], headers, bytes(body[length:]))
