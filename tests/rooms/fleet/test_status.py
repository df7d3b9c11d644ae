"""What is told of replicas."""

from headrace.catalog.versions import new_version
from headrace.domain.errors import ModelFailed
from headrace.domain.ids import VersionKey
from headrace.domain.replica import ReplicaState
from headrace.fleet.backoff import BackOff
from headrace.fleet.lifecycle import Life, engine_name
from headrace.fleet.routing import Replica
from headrace.fleet.status import status_of

VERSION = new_version(VersionKey("ed542963de", "1.0.1-rc.1"), "ann@example.com", 0)


def life(state: ReplicaState, *, busy: bool = False) -> Life:
    replica = Replica("x", None)
    if busy:
        replica.take()
    return Life(VERSION, "x", 1, state, replica=replica)


async def test_counts() -> None:
    leaving = life(ReplicaState.READY)
    leaving.stop.set()
    lives = [
        life(ReplicaState.READY),
        life(ReplicaState.READY, busy=True),
        life(ReplicaState.SPINNING_UP),
        leaving,
    ]
    status = status_of(lives, None, 5, 7, 0)

    assert (2, 1, 1, 1, 2, 0, 7) == (
        status.ready,
        status.running,
        status.spinning_up,
        status.spinning_down,
        status.queued,
        status.failed,
        status.waiting,
    )
    assert [ReplicaState.READY, ReplicaState.RUNNING] == [engine.state for engine in status.engines[:2]]


async def test_a_failing_version_says_when_it_is_tried_again() -> None:
    back_off = BackOff(500, 60_000)
    back_off.failed(ModelFailed("no module"), 0, ready=False, answered=0)
    back_off.failed(ModelFailed("no module"), 0, ready=False, answered=0)
    status = status_of([], back_off, 1, 1, 400)

    assert (1, 0, "no module") == (status.failed, status.queued, status.last_error)
    assert ("failed 2 times in a row; the next start is in 0.6 s",) == status.conditions


def test_engines_are_named_as_the_platform_names_them() -> None:
    assert engine_name(VERSION).startswith("model-batch-ed542963de-1-0-1-rc-1-")
    assert engine_name(VERSION) != engine_name(VERSION)
