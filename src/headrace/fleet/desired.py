"""How many replicas each version gets: what it needs by itself, and its fair share when all together need too much."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headrace.domain.clock import Millis
from headrace.domain.ids import VersionKey
from headrace.domain.scaling import Load, wanted

TURN: Millis = 30_000  # when engines are short: who got none for this long goes before who has had one


@dataclass(frozen=True, slots=True)
class Need:
    """What one version asks for. `warm` replicas worked a short while ago: kept while nobody else needs the room."""

    key: VersionKey
    minimum: int
    maximum: int
    load: Load
    running: int
    warm: int
    without_since: Millis | None = None  # it has had work and no replica since then
    running_since: Millis = 0  # when the oldest of its replicas was started
    waiting_since: Millis | None = None  # since when stored work has waited without a pause

    @property
    def work(self) -> int:
        """Replicas for which there is work just now."""
        return min(self.maximum, self.load.busy + self.load.waiting)


def desired(needs: Sequence[Need], engines: int, idle_after: Millis, at: Millis) -> dict[VersionKey, int]:
    """Replicas for each version, at most `engines` together.

    Given out in four rounds: the minimums; one for each version with work, those first who have waited a whole turn,
    then those who have a replica; one more in turn while there is work, whose has waited longest first; then what is
    warm.
    """
    given = {need.key: 0 for need in needs}
    left = engines
    for need in needs:
        left = _give(given, need.key, need.minimum, left)
    for need in sorted(needs, key=lambda need: _precedence(need, at)):
        left = _give(given, need.key, min(1, need.work), left)
    by_age = sorted(needs, key=lambda need: at if need.waiting_since is None else need.waiting_since)
    for share in range(2, max((need.work for need in needs), default=0) + 1):
        for need in by_age:
            left = _give(given, need.key, min(share, need.work), left)
        if not left:
            break
    for need in needs:
        base = wanted(need.load, need.minimum, need.maximum, idle_after=idle_after)
        left = _give(given, need.key, max(base, min(need.warm, need.maximum)), left)
    return given


def _precedence(need: Need, at: Millis) -> tuple[int, Millis]:
    if need.without_since is not None and at - need.without_since >= TURN:
        return 0, need.without_since
    if need.running:
        return 1, -need.running_since  # who has had an engine longest gives way first
    return 2, need.without_since or at


def _give(given: dict[VersionKey, int], key: VersionKey, up_to: int, left: int) -> int:
    more = max(0, min(up_to - given[key], left))
    given[key] += more
    return left - more


class Hunger:
    """Since when each version has had work and no replica."""

    def __init__(self) -> None:
        self._since: dict[VersionKey, Millis] = {}

    def since(self, key: VersionKey, at: Millis, *, work: bool, running: int) -> Millis | None:
        if not work or running:
            self._since.pop(key, None)
            return None
        return self._since.setdefault(key, at)

    def forget_all_but(self, keys: Iterable[VersionKey]) -> None:
        alive = set(keys)
        self._since = {key: since for key, since in self._since.items() if key in alive}
