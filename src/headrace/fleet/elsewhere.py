"""Several servers: each runs its share of a version's replicas, and tells the others what runs. Pure."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from headrace.domain.ids import VersionKey
from headrace.fleet.status import EngineStatus

NOTHING = EngineStatus()
_decoder = msgspec.json.Decoder(list[tuple[str, str, EngineStatus]])


def share(total: int, key: VersionKey, place: tuple[int, int]) -> int:
    """How many of `total` replicas the server at `place` (its number, how many there are) runs.

    The shares of all servers make `total`; who gets the odd ones differs from version to version.
    """
    number, servers = place
    rank = (number + zlib.crc32(str(key).encode())) % servers
    return total // servers + (rank < total % servers)


def told(statuses: Mapping[VersionKey, EngineStatus]) -> bytes:
    """What the other servers are to know: only what there is something to say of."""
    return msgspec.json.encode(
        [(key.model, key.version, status) for key, status in statuses.items() if status != NOTHING]
    )


def together(own: Mapping[VersionKey, EngineStatus], others: Iterable[bytes]) -> dict[VersionKey, EngineStatus]:
    """The replicas of all servers. What one of another version of ours says is left out when it is not understood."""
    found = dict(own)
    for content in others:
        try:
            rows = _decoder.decode(content) if content else []
        except msgspec.MsgspecError:
            continue
        for model, version, status in rows:
            key = VersionKey(model, version)
            found[key] = _sum(found[key], status) if key in found else status
    return found


def _sum(one: EngineStatus, two: EngineStatus) -> EngineStatus:
    """Stored inputs wait for all servers: they are not counted twice."""
    counts = ("failed", "queued", "spinning_up", "spinning_down", "running", "ready")
    return replace(
        one,
        **{name: getattr(one, name) + getattr(two, name) for name in counts},
        waiting=max(one.waiting, two.waiting),
        engines=one.engines + two.engines,
        conditions=one.conditions + tuple(line for line in two.conditions if line not in one.conditions),
        last_error=one.last_error or two.last_error,
    )
