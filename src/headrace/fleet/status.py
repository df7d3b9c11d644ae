"""What is told about a version's replicas (GET /api/resources/processing/engines and …/models)."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.domain.clock import Millis
from headrace.domain.replica import ReplicaState
from headrace.fleet.backoff import BackOff
from headrace.fleet.lifecycle import Life


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """One replica. RUNNING is READY and at work."""

    name: str
    created: Millis
    state: ReplicaState


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Counts of replicas; `ready` counts those at work too, `queued` those that wait for room on this machine."""

    failed: int = 0
    queued: int = 0
    spinning_up: int = 0
    spinning_down: int = 0
    running: int = 0
    ready: int = 0
    waiting: int = 0  # inputs and requests that nobody works on yet
    engines: tuple[EngineInfo, ...] = ()
    conditions: tuple[str, ...] = ()  # sentences
    last_error: str = ""
    waiting_since: Millis | None = None  # of stored inputs, without a pause


def status_of(lives: Sequence[Life], back_off: BackOff | None, wanted: int, waiting: int, at: Millis) -> EngineStatus:
    engines = tuple(EngineInfo(life.name, life.created, _state(life)) for life in lives)
    states = [engine.state for engine in engines]
    ready = states.count(ReplicaState.READY) + states.count(ReplicaState.RUNNING)
    coming = ready + states.count(ReplicaState.SPINNING_UP)
    failing = back_off is not None and back_off.failures > 0 and not ready
    missing = max(0, wanted - coming)
    return EngineStatus(
        failed=max(1, missing) if failing else 0,
        queued=0 if failing else missing,
        spinning_up=states.count(ReplicaState.SPINNING_UP),
        spinning_down=states.count(ReplicaState.SPINNING_DOWN),
        running=states.count(ReplicaState.RUNNING),
        ready=ready,
        waiting=waiting,
        engines=engines,
        conditions=tuple(_conditions(back_off if failing else None, at)),
        last_error=back_off.error.message if failing and back_off and back_off.error else "",
    )


def _state(life: Life) -> ReplicaState:
    if life.stopping:
        return ReplicaState.SPINNING_DOWN
    return ReplicaState.RUNNING if life.busy else life.state


def _conditions(back_off: BackOff | None, at: Millis) -> list[str]:
    if back_off is None:
        return []
    wait = max(0, back_off.not_before - at) / 1000
    times = "once" if back_off.failures == 1 else f"{back_off.failures} times in a row"
    return [f"failed {times}; the next start is in {wait:.1f} s" if wait else f"failed {times}; starting again"]
