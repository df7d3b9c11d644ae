"""How many replicas each version gets."""

from headrace.domain.ids import VersionKey
from headrace.domain.scaling import Load
from headrace.fleet.desired import Hunger, Need, desired

IDLE_AFTER = 300_000
LONG_AGO = IDLE_AFTER + 1


def key(name: str) -> VersionKey:
    return VersionKey(name, "1.0.0")


def need(
    name: str,
    *,
    minimum: int = 0,
    maximum: int = 1,
    waiting: int = 0,
    busy: int = 0,
    running: int = 0,
    idle_for: int = LONG_AGO,
    warm: int = 0,
    without_since: int | None = None,
    running_since: int = 0,
    waiting_since: int | None = None,
) -> Need:
    load = Load(waiting, busy, idle_for)
    return Need(key(name), minimum, maximum, load, running, warm, without_since, running_since, waiting_since)


def given(needs: list[Need], engines: int = 10, at: int = 1_000_000) -> dict[str, int]:
    return {one.model: count for one, count in desired(needs, engines, IDLE_AFTER, at).items()}


def test_a_cold_version_gets_none_and_a_hot_one_its_minimum() -> None:
    assert {"cold": 0, "hot": 2} == given([need("cold"), need("hot", minimum=2, maximum=5)])


def test_work_brings_replicas_up_to_the_maximum() -> None:
    assert {"a": 3, "b": 2} == given([need("a", maximum=3, waiting=100), need("b", maximum=8, waiting=1, busy=1)])


def test_the_last_replica_is_kept_warm() -> None:
    assert {"a": 1} == given([need("a", idle_for=1_000)])
    assert {"a": 0} == given([need("a", idle_for=LONG_AGO)])


def test_replicas_that_worked_a_short_while_ago_are_kept() -> None:
    assert {"a": 4} == given([need("a", maximum=5, busy=1, running=4, warm=4)])


def test_minimums_come_first_when_room_is_short() -> None:
    assert {"busy": 1, "hot": 3} == given([need("busy", maximum=9, waiting=9), need("hot", minimum=3, maximum=3)], 4)


def test_room_is_shared_in_turn() -> None:
    needs = [need("a", maximum=9, waiting=50), need("b", maximum=9, waiting=50), need("c", maximum=1, waiting=50)]
    assert {"a": 2, "b": 2, "c": 1} == given(needs, 5)


def test_who_has_waited_longest_gets_more_first() -> None:
    needs = [
        need("young", maximum=9, waiting=50, running=1, waiting_since=900_000),
        need("old", maximum=9, waiting=50, running=1, waiting_since=100_000),
    ]
    assert {"young": 1, "old": 2} == given(needs, 3)


def test_work_goes_before_warmth() -> None:
    needs = [need("warm", maximum=4, running=4, warm=4, idle_for=10), need("new", waiting=1)]
    assert {"warm": 3, "new": 1} == given(needs, 4)


def test_who_has_a_replica_keeps_it_for_a_turn() -> None:
    needs = [need("new", waiting=1, without_since=999_000), need("old", waiting=5, busy=1, running=1)]
    assert {"new": 0, "old": 1} == given(needs, 1)


def test_who_waited_a_whole_turn_goes_before_who_has_had_one_longest() -> None:
    needs = [
        need("young", busy=1, running=1, running_since=900_000),
        need("old", busy=1, running=1, running_since=100),
        need("hungry", waiting=1, without_since=960_000),
    ]
    assert {"young": 1, "old": 0, "hungry": 1} == given(needs, 2)


def test_hunger_remembers_since_when() -> None:
    hunger = Hunger()

    assert 5 == hunger.since(key("a"), 5, work=True, running=0)
    assert 5 == hunger.since(key("a"), 9, work=True, running=0)
    assert hunger.since(key("a"), 10, work=True, running=1) is None
    assert 11 == hunger.since(key("a"), 11, work=True, running=0)

    hunger.forget_all_but([])
    assert 12 == hunger.since(key("a"), 12, work=True, running=0)
