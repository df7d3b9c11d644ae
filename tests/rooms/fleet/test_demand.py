"""Who waits, and the bell."""

from headrace.domain.ids import VersionKey
from headrace.fleet.demand import Demand

KEY = VersionKey("echo", "1.0.0")


async def test_more_waiting_rings() -> None:
    demand = Demand()
    demand.set_waiting(KEY, 3)

    assert await demand.wait(0)
    assert 3 == demand.waiting(KEY)
    assert [KEY] == demand.keys()


async def test_it_remembers_since_when_there_is_work() -> None:
    demand = Demand()
    assert demand.since(KEY) is None

    demand.set_waiting(KEY, 3)
    since = demand.since(KEY)
    demand.set_waiting(KEY, 1)
    assert since == demand.since(KEY)

    demand.set_waiting(KEY, 0)
    assert demand.since(KEY) is None


async def test_less_waiting_does_not_ring() -> None:
    demand = Demand()
    demand.set_waiting(KEY, 3)
    await demand.wait(0)
    demand.set_waiting(KEY, 0)

    assert not await demand.wait(0)
    assert [] == demand.keys()


async def test_a_ring_before_the_wait_is_heard_once() -> None:
    demand = Demand()
    demand.ring()

    assert await demand.wait(10)
    assert not await demand.wait(0)
