"""How many replicas a version should have: pure arithmetic."""

from dataclasses import dataclass

from headrace.domain.clock import Millis


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of one version just now."""

    waiting: int  # inputs and requests that nobody works on yet
    busy: int  # replicas at work
    idle_for: Millis  # since the last question ended


def wanted(load: Load, minimum: int, maximum: int, *, idle_after: Millis) -> int:
    """Replicas between minimum and maximum: as many as there is work for at once, kept warm for `idle_after`.

    With work or warm, at least one; cold after that, down to `minimum`.
    """
    need = load.busy + load.waiting
    if need == 0 and load.idle_for < idle_after:
        need = 1
    return max(minimum, min(need, maximum))
