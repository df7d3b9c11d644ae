"""Who is next: a tree for each version, version → team → user → job, in which everyone gets by weight.

Start-time fair queueing at each level. A claim goes to the child with the least virtual time and moves it on by what
was claimed over the child's weight; `clock` of the parent keeps where that child stood. Who was idle starts at the
clock, or where it stopped if that is later: no credit is saved up, and nobody waits for more than the others' turns.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from headrace.domain.ids import VersionKey
from headrace.domain.job import Job
from headrace.jobs import statements
from headrace.jobs.statements import ROOT, Place
from headrace.jobs.tables import share
from headrace.storage.database import Tx


@dataclass(frozen=True, slots=True)
class Picked:
    """The job that is next; `next`: its first input that nobody has claimed yet.

    `path` and `vtimes` are the parameters by which the tree is told of the claim.
    """

    job: Job
    next: int
    path: Mapping[str, str]
    vtimes: Mapping[str, float]


def waiting(tx: Tx) -> dict[VersionKey, int]:
    """Claimable inputs of every version that has some."""
    return {VersionKey(row.model, row.version): row.ready for row in statements.WAITING.all(tx, {})}


def node_of(team: str, user: str = "") -> str:
    """The name of a team, or of a user in a team. Neither is ever the root's, which is empty."""
    return f"/{team}/{user}" if user else f"/{team}"


def path_of(stored: Job) -> dict[str, str]:
    """The parameters that name the way from the root to the user of a job."""
    version, team, node = stored.version, node_of(stored.team), node_of(stored.team, stored.user)
    return {"p_model": version.model, "p_version": version.version, "p_team": team, "p_node": node}


def add(tx: Tx, stored: Job, count: int) -> None:
    """So many more inputs of the job can be claimed, again or for the first time."""
    path = path_of(stored)
    found = _places(tx, path)
    if len(found) < 3:  # noqa: PLR2004 - root, team, user
        _plant(tx, path)
        found = _places(tx, path)
    root, team, user = found[ROOT], found[path["p_team"]], found[path["p_node"]]
    woken = {"p_team_vtime": _start(team, root.clock), "p_user_vtime": _start(user, team.clock)}
    statements.WAKE_FLOWS.run(tx, path | woken | {"p_count": count})
    statements.WAKE_JOB.run(tx, {"p_number": stored.number, "p_count": count, "p_level": user.clock})


def remove(tx: Tx, stored: Job, count: int) -> None:
    """So many inputs of the job are no longer wanted: it was cancelled. The job's own row is the caller's."""
    statements.SLEEP_FLOWS.run(tx, path_of(stored) | {"p_count": count})


def pick(tx: Tx, key: VersionKey) -> Picked | None:
    version = {"p_model": key.model, "p_version": key.version}
    team = statements.LEAST_SERVED.first(tx, version | {"p_parent": ROOT})
    if team is None:
        return None
    user = statements.LEAST_SERVED.one(tx, version | {"p_parent": team.node})
    path = version | {"p_team": team.node, "p_node": user.node}
    owner = {"p_team": team.node[1:], "p_user": user.node[len(team.node) + 1 :]}
    found = statements.LEAST_SERVED_JOB.one(tx, version | owner)
    vtimes = {"p_team_vtime": team.vtime, "p_user_vtime": user.vtime, "p_job_vtime": found.vtime}
    return Picked(found.job, found.next, path, vtimes)


def take(tx: Tx, picked: Picked, count: int) -> None:
    """A claim was made: everybody on its way pays. The job's own row is the caller's."""
    statements.TAKE_FROM_FLOWS.run(tx, {**picked.path, **picked.vtimes, "p_count": count})


def _places(tx: Tx, path: Mapping[str, str]) -> dict[str, Place]:
    return {place.node: place for place in statements.PATH.all(tx, path)}


def _start(place: Place, clock: float) -> float:
    return place.vtime if place.ready > 0 else max(place.vtime, clock)


def _plant(tx: Tx, path: Mapping[str, str]) -> None:
    version, team, user = {"model": path["p_model"], "version": path["p_version"]}, path["p_team"], path["p_node"]
    known = tx.execute(select(share.c.node, share.c.weight).where(share.c.node.in_((team, user))))
    weights = {row.node: row.weight for row in known}
    for node, parent in ((ROOT, None), (team, ROOT), (user, team)):
        statements.PLANT.run(tx, version | {"node": node, "parent": parent, "weight": weights.get(node, 1.0)})
