"""How long answers of single inferences are kept, and for whom."""

from dataclasses import replace

import pytest

from headrace.api.edge.kept import Inferences
from headrace.api.edge.proto.edge_inferences_pb2 import Inference
from headrace.api.endpoint import NOBODY
from headrace.domain.errors import NotFound
from headrace.settings import EdgeSettings

ANN = replace(NOBODY, account="acme", user=replace(NOBODY.user, identifier="ann"))
BOB = replace(ANN, user=replace(ANN.user, identifier="bob"))


class Clock:
    def __init__(self):
        self.at = 0.0

    def __call__(self):
        return self.at


def kept(inferences, name, size=0):
    """One that has ended, with an output of so many bytes."""
    one = inferences.begin(ANN, Inference(identifier=name))
    one.told.result.outputs["results.json"].data = bytes(size)
    inferences.end(one)
    return one


def names(inferences, *asked):
    found = []
    for name in asked:
        try:
            found.append(inferences.get(ANN, name).told.identifier)
        except NotFound:
            continue
    return found


def test_an_answer_is_for_whoever_asked():
    inferences = Inferences(EdgeSettings())
    one = kept(inferences, "a")
    assert one is inferences.get(ANN, "a")
    for stranger in (BOB, replace(ANN, account="other")):
        with pytest.raises(NotFound, match="there is no inference 'a'"):
            inferences.get(stranger, "a")


def test_it_leaves_when_it_is_too_old():
    clock = Clock()
    inferences = Inferences(EdgeSettings(keep=10.0), clock)
    kept(inferences, "a")
    clock.at = 6.0
    kept(inferences, "b")
    under_way = inferences.begin(ANN, Inference(identifier="c"))
    clock.at = 10.0
    assert ["b", "c"] == names(inferences, "a", "b", "c")
    clock.at = 100.0
    assert ["c"] == names(inferences, "a", "b", "c")
    inferences.end(under_way)
    assert ["c"] == names(inferences, "c")
    assert 1 == len(inferences)


def test_the_oldest_leave_when_all_are_too_large():
    inferences = Inferences(EdgeSettings(keep_bytes=10_000))
    for name in "abcd":
        kept(inferences, name, 4_000)
    assert ["c", "d"] == names(inferences, *"abcd")
    assert 8_000 < inferences.bytes < 9_000
    kept(inferences, "large", 20_000)
    assert ["large"] == names(inferences, *"abcd", "large")  # its client has not asked for it yet
    inferences.drop(inferences.get(ANN, "large"))
    assert (0, 0) == (len(inferences), inferences.bytes)
