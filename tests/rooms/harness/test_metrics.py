"""What models measure by themselves, on the replica's side: what may be a metric, and what is told of it."""

import json
import socket
import struct

import pytest

from headrace.dialects import measures
from headrace.runners.harness import metrics
from headrace.runners.harness.adapters.triton_calls import Outside, for_model
from headrace.runners.harness.adapters.triton_requests import TritonModelException
from headrace.runners.harness.calls import TELL, Calls
from headrace.runners.harness.metrics import MOST, About, NoMetric, Sheet


class Line:
    """The server's end of a replica's connection."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.settimeout(30)
        self.calls = Calls(self._theirs)

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()

    def heard(self) -> list[measures.Series]:
        kind, length, size = struct.unpack(">BIQ", self._ours.recv(13, socket.MSG_WAITALL))
        assert kind == TELL
        self._ours.recv(length, socket.MSG_WAITALL)
        return measures.read(self._ours.recv(size, socket.MSG_WAITALL))


@pytest.fixture
def line():
    found = Line()
    yield found
    found.close()


def test_what_changed_is_told_once(line) -> None:
    sheet = Sheet(line.calls)
    seen = sheet.series(About("seen", "counter", "Seen"), {"of": "cats"})
    sheet.series(About("took", "histogram", ""), {}, [1, 5]).observe(3)
    sheet.tell()
    assert [("seen", 0, ()), ("took", 3, (0, 1, 0))] == [(one.name, one.value, one.counts) for one in line.heard()]

    sheet.tell()  # nothing
    seen.add(2)
    sheet.tell()
    [one] = line.heard()
    assert ("seen", "counter", "Seen", (("of", "cats"),), 2) == (one.name, one.kind, one.help, one.labels, one.value)


def test_what_changes_outside_of_a_question_is_told_soon(line) -> None:
    gauge = Sheet(line.calls).series(About("heat", "gauge", ""), {})
    gauge.set(float("nan"))
    assert [None] == [one.value for one in line.heard()]


@pytest.mark.parametrize(
    ("name", "labels", "bounds", "sentence"),
    [
        ("one two", {}, [], "is no name of a metric"),
        ("nv_mine", {}, [], "has a name of the server's own"),
        ("a", {"__b": ""}, [], "none of Prometheus"),
        ("a", {"le": ""}, [], "none of Prometheus"),
        ("a", {"b": "c" * 300}, [], "too long"),
        ("a", {f"b{number}": "" for number in range(17)}, [], "17 labels"),
        ("a", {}, [2, 1], "each larger than the one before"),
    ],
)
def test_what_cannot_be_a_metric(name, labels, bounds, sentence) -> None:
    with pytest.raises(NoMetric, match=sentence):
        Sheet(None).series(About(name, "histogram", ""), labels, bounds)


def test_names_of_our_own_are_the_same_on_both_sides() -> None:
    assert measures.OURS == metrics.OURS


def test_no_more_than_so_many() -> None:
    sheet = Sheet(None)
    for number in range(MOST):
        sheet.series(About("a", "gauge", ""), {"b": str(number)})
    with pytest.raises(NoMetric, match=f"at most {MOST} metrics"):
        sheet.series(About("a", "gauge", ""), {})


def test_the_classes_of_triton(line) -> None:
    utils = for_model(outside := Outside(line.calls))
    family = utils.MetricFamily(name="seen", description="Seen", kind=utils.MetricFamily.COUNTER)
    one, same = (
        family.Metric(labels={"model": "m"}),
        utils.MetricFamily("seen", "", utils.MetricKind.COUNTER).Metric({"model": "m"}),
    )
    one.increment(2)
    same.increment(0.5)
    assert 2.5 == one.value() == same.value()
    gauge = utils.MetricFamily("heat", "", utils.MetricFamily.GAUGE).Metric()
    gauge.set(7)
    gauge.increment(-2)
    utils.MetricFamily("took", "", utils.MetricFamily.HISTOGRAM).Metric(buckets=[0.1, 1.0]).observe(0.1)
    outside.sheet.tell()
    assert [("seen", 2.5, ()), ("heat", 5, ()), ("took", 0.1, (1, 0, 0))] == [
        (told.name, told.value, told.counts) for told in line.heard()
    ]

    for wrong in (
        lambda: one.increment(-1),
        lambda: one.set(1),
        lambda: gauge.observe(1),
        lambda: utils.MetricFamily("seen", "", utils.MetricFamily.GAUGE),
        lambda: utils.MetricFamily("other", "", utils.MetricFamily.HISTOGRAM).Metric(),
        lambda: utils.MetricFamily("headrace_mine", "", utils.MetricFamily.GAUGE),
    ):
        with pytest.raises(TritonModelException):
            wrong()


@pytest.mark.parametrize(
    "said",
    [
        ["a b", "counter", "", [], 1],
        ["a\n", "counter", "", [], 1],
        ["nv_a", "counter", "", [], 1],
        ["a", "summary", "", [], 1],
        ["a", "gauge", "", [["b", "1"], ["b", "2"]], 1],
        ["a", "gauge", "", [["le", "1"]], 1],
        ["a", "histogram", "", [], 1, [1, 2], [1]],
    ],
)
def test_what_the_server_does_not_believe(said) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of msgspec's or our own
        measures.read(json.dumps([said]).encode())
