"""A model's own routes: the request as it came, and the answer piece by piece."""

import json
from typing import Any

from rooms.harness.asking import Wire, view

from headrace.runners.harness.adapters.adapter import Adapter, HttpRequest, Pieces
from headrace.runners.harness.routes import RoutesDesk

HEAD = {"method": "POST", "path": "/say", "query": "n=2", "headers": [["x-a", "b"]]}


class Speaker(Adapter):
    def __init__(self) -> None:
        self.heard: list[HttpRequest] = []

    def respond(self, request: HttpRequest, pieces: Pieces) -> None:
        self.heard.append(request)
        if request.body == b"fail":
            raise ValueError("no luck")
        pieces.begin(201, [("content-type", "text/plain")])
        for _ in range(2):
            pieces.give(request.body)


def ask(model: Speaker, wire: Wire, body: bytes, at_most: int = 1_000) -> list[Any]:
    head = json.dumps(HEAD).encode()
    question = ("http", view(head + body), {"head": str(len(head)), "stream": "1"})
    return wire.ask(RoutesDesk(model, "speaker", wire, at_most), question)


def test_the_request_arrives_whole_and_the_answer_in_pieces() -> None:
    model, wire = Speaker(), Wire()

    (_, first, _, told), (_, second, _, _), (_, end, _, ended) = ask(model, wire, b"\x00raw")

    assert [HttpRequest("POST", "/say", "n=2", [("x-a", "b")], b"\x00raw")] == model.heard
    length = int(told["head"])
    assert {"status": 201, "headers": [["content-type", "text/plain"]]} == json.loads(first[""][:length])
    assert (b"\x00raw", b"\x00raw") == (first[""][length:], second[""])
    assert ({}, {"empty": "1"}) == (end, ended)
    assert [(0, 1)] == wire.progress


def test_a_model_that_fails_says_so() -> None:
    [(error, outputs, fault, _)] = ask(Speaker(), Wire(), b"fail")
    assert ("no luck", {}, "model") == (error, outputs, fault)


def test_too_large_an_answer_is_refused() -> None:
    [(error, *_)] = ask(Speaker(), Wire(), b"x" * 2_000)
    assert "the limit is 1000 bytes" in error


def test_a_caller_who_leaves_ends_it() -> None:
    wire = Wire()
    wire.left = True
    [(error, outputs, _, meta)] = ask(Speaker(), wire, b"more")
    assert (None, {}, {"empty": "1"}) == (error, outputs, meta)
