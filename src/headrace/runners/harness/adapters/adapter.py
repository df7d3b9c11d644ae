"""What every format is made into: a model that takes arrays by name and gives arrays by name."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from headrace.runners.harness.tensors import Input, Spec


class Asked(NamedTuple):
    """What requests that run together agree in, besides their tensors."""

    outputs: tuple[str, ...] | None  # names that were asked for; None: all
    parameters: dict[str, Any]
    inputs: list[Input]  # of the first of them: for what its tensors say besides their data
    id: str = ""
    model: str = ""  # its name, for sentences


class Given(NamedTuple):
    """For models that answer with more than arrays by name."""

    outputs: dict[str, Any]
    parameters: dict[str, Any] | None = None
    tensor_parameters: dict[str, dict[str, Any]] | None = None
    datatypes: dict[str, str] | None = None


class HttpRequest(NamedTuple):
    """For a route of the model's own."""

    method: str
    path: str  # decoded
    query: str
    headers: list[tuple[str, str]]
    body: bytes


class Pieces(Protocol):
    """Who takes the answer to such a request."""

    def begin(self, status: int, headers: list[tuple[str, str]], /) -> None: ...

    def give(self, body: bytes, /) -> None:
        """The next piece. Waits while the reader is slow. Raises Unwanted when the caller is gone."""
        ...


class Taker(Protocol):
    """Who takes the answers of a model that gives several, one after the other."""

    def give(self, result: dict[str, Any] | Given, /) -> None:
        """Waits while the reader is slow. Raises Unwanted (streaming.py) when nobody wants the rest."""
        ...

    def wanted(self) -> bool: ...


class Adapter:
    """`inputs` empty: takes what it is given. With `max_batch_size` > 0 all first dimensions are the batch.

    `strict` False: names, datatypes and shapes of inputs are shown to those who ask, and not demanded.
    `loose`: requests are taken as MLServer takes them (loose.py), and not only as Triton does.
    `rows`: requests are put together up to so many rows although no batch size is demanded of them.
    `streams`: "" gives one answer to a request, "only" any number of them, "also" one or any number, as it is asked.
    `cached`: it always answers the same to the same, so its answers may be given again without asking it.
    `sequences`: microseconds after which an idle sequence of requests ends; 0: it knows of no sequences.
    `configuration`: the text of its config.pbtxt, where it has one.
    `routes`: methods and paths of HTTP that it answers by itself.
    `anonymous`: `run` looks at no id, parameters or inputs of what is asked: a request is its arrays and no more.
    """

    platform = "python"
    strict = True
    loose = False
    rows = 0
    inputs: tuple[Spec, ...] = ()
    outputs: tuple[Spec, ...] = ()
    max_batch_size = 0
    streams = ""
    cached = False
    anonymous = False
    sequences = 0
    configuration = ""
    routes: tuple[tuple[str, str], ...] = ()
    labels: dict[str, list[str]] | None = None  # by output, for the classification extension

    def run(self, arrays: dict[str, Any], asked: Asked, /) -> dict[str, Any] | Given:
        """Values that can be made arrays, by output name. Whatever it raises is the model's error."""
        raise NotImplementedError

    def stream(self, arrays: dict[str, Any], asked: Asked, taker: Taker, /) -> None:
        """Gives each answer to the taker as soon as there is one. Where `streams` is not ""."""
        raise NotImplementedError

    def respond(self, request: HttpRequest, pieces: Pieces, /) -> None:
        """Answers a request for one of its routes. Whatever it raises is the model's error."""
        raise NotImplementedError
