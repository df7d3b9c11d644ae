"""What models measure by themselves: replicas put together, and no sum that runs backwards."""

import pytest

from headrace.dialects.measures import Series
from headrace.domain.ids import VersionKey
from headrace.inference import measures
from headrace.inference.measures import Measures
from headrace.telemetry.metrics import render

KEY, OTHER = VersionKey("m", "1.0.0"), VersionKey("n", "2.0.0")
OURS = 'model="m",version="1.0.0"'


def counter(value, name="seen", **labels):
    return Series(name, "counter", "Seen", tuple(labels.items()), value)


async def lines(found: Measures) -> list[str]:
    return [line for line in render(await found.families()).decode().splitlines() if line and not line.startswith("#")]


async def test_counters_of_replicas_are_added_and_stay_when_they_are_gone():
    found = Measures()
    found.told(KEY, "a", [counter(2)])
    found.told(KEY, "b", [counter(3)])
    assert [f"seen{{{OURS}}} 5"] == await lines(found)

    found.gone("a")
    found.told(KEY, "c", [counter(1)])
    found.told(KEY, "b", [counter(1)])  # it runs backwards: not here
    assert [f"seen{{{OURS}}} 6"] == await lines(found)


async def test_a_gauge_is_what_was_told_last_and_goes_with_its_replicas():
    found = Measures()
    for teller, value in (("a", 1), ("b", 2), ("a", 3.5)):
        found.told(KEY, teller, [Series("heat", "gauge", "", (), value)])
    assert [f"heat{{{OURS}}} 3.5"] == await lines(found)
    found.gone("a")
    assert [f"heat{{{OURS}}} 2"] == await lines(found)
    found.gone("b")
    assert [] == list(await found.families())


async def test_histograms_are_added():
    found = Measures()
    for teller in "ab":
        found.told(KEY, teller, [Series("took", "histogram", "", (), 1.5, (1.0,), (1, 2))])
    found.gone("a")
    assert [
        f'took_bucket{{{OURS},le="1.0"}} 2',
        f'took_bucket{{{OURS},le="+Inf"}} 6',
        f"took_sum{{{OURS}}} 3.0",
        f"took_count{{{OURS}}} 6",
    ] == await lines(found)


async def test_labels_that_the_model_gives_stand():
    found = Measures()
    found.told(KEY, "a", [counter(1, model="mine", of='"cats"')])
    assert ['seen{model="mine",of="\\"cats\\"",version="1.0.0"} 1'] == await lines(found)


async def test_what_does_not_fit_is_left_out_and_said_once(caplog):
    found = Measures()
    found.told(KEY, "a", [counter(1)])
    for _ in range(2):
        found.told(OTHER, "b", [Series("seen", "gauge", "", (), 7), counter(2, "more")])
    assert [f"seen{{{OURS}}} 1", 'more{model="n",version="2.0.0"} 2'] == await lines(found)
    assert ["metrics of model n 2.0.0 are left out: seen is a counter of another model"] == caplog.messages or 1 == len(
        caplog.messages
    )


async def test_no_more_than_so_many(monkeypatch, caplog):
    monkeypatch.setattr(measures, "MOST_OF_ONE", 3)
    monkeypatch.setattr(measures, "MOST", 4)
    found = Measures()
    found.told(KEY, "a", [counter(1, of=str(number)) for number in range(5)])
    assert 3 == len(await lines(found))
    assert "at most 3 series of a version" in caplog.text

    found.gone("a")
    found.told(OTHER, "b", [counter(1, of=str(number)) for number in range(3)])
    told = await lines(found)  # those that nobody tells any more make room, the oldest first
    assert (4, 3) == (len(told), sum('version="2.0.0"' in line for line in told))


@pytest.mark.parametrize("kind", ["counter", "gauge"])
async def test_no_finite_number(kind):
    found = Measures()
    found.told(KEY, "a", [Series("x", kind, "", (), None)])
    assert ["x{" + OURS + "} nan"] == await lines(found)
