"""Who is next: a tree for each version, version → team → user → job, in which everyone gets by weight.

Start-time fair queueing at each level. A claim goes to the child with the least virtual time and moves it on by what
was claimed over the child's weight; `clock` of the parent keeps where that child stood. Who was idle starts at the
clock, or where it stopped if that is later: no credit is saved up, and nobody waits for more than the others' turns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from headrace.domain.ids import VersionKey
from headrace.domain.job import Job
from headrace.jobs import statements
from headrace.jobs.statements import ROOT
from headrace.jobs.tables import share
from headrace.storage.database import Tx


@dataclass(frozen=True, slots=True)
class Picked:
    """The job that is next; `path` and `vtimes` are the parameters by which the tree is told of the claim."""

    job: "Row[Any, Any, Any, Any]"
    path: Mapping[str, str]
    vtimes: Mapping[str, float]


def waiting(tx: Tx) -> dict[VersionKey, int]:
    """Claimable inputs of every version that has some."""
    return {VersionKey(row.model, row.version): row.ready for row in tx.execute(statements.WAITING)}


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
    found = _rows(tx, path)
    if len(found) < 3:  # noqa: PLR2004 - root, team, user
        _plant(tx, path)
        found = _rows(tx, path)
    root, team, user = found[ROOT], found[path["p_team"]], found[path["p_node"]]
    woken = {"p_team_vtime": _start(team, root.clock), "p_user_vtime": _start(user, team.clock)}
    tx.execute(statements.WAKE_FLOWS, path | woken | {"p_count": count})
    tx.execute(statements.WAKE_JOB, {"p_number": stored.number, "p_count": count, "p_level": user.clock})


def remove(tx: Tx, stored: Job, count: int) -> None:
    """So many inputs of the job are no longer wanted: it was cancelled. The job's own row is the caller's."""
    tx.execute(statements.SLEEP_FLOWS, path_of(stored) | {"p_count": count})


def pick(tx: Tx, key: VersionKey) -> Picked | None:
    version = {"p_model": key.model, "p_version": key.version}
    team = tx.execute(statements.LEAST_SERVED, version | {"p_parent": ROOT}).one_or_none()
    if team is None:
        return None
    user = tx.execute(statements.LEAST_SERVED, version | {"p_parent": team.node}).one()
    path = version | {"p_team": team.node, "p_node": user.node}
    owner = {"p_team": team.node[1:], "p_user": user.node[len(team.node) + 1 :]}
    job = tx.execute(statements.LEAST_SERVED_JOB, version | owner).one()
    vtimes = {"p_team_vtime": team.vtime, "p_user_vtime": user.vtime, "p_job_vtime": job.vtime}
    return Picked(job, path, vtimes)


def take(tx: Tx, picked: Picked, count: int) -> None:
    """A claim was made: everybody on its way pays. The job's own row is the caller's."""
    tx.execute(statements.TAKE_FROM_FLOWS, {**picked.path, **picked.vtimes, "p_count": count})


def _rows(tx: Tx, path: Mapping[str, str]) -> dict[str, "Row[Any, Any, Any, Any]"]:
    return {row.node: row for row in tx.execute(statements.PATH, path)}


def _start(row: "Row[Any, Any, Any, Any]", clock: float) -> float:
    vtime: float = row.vtime
    return vtime if row.ready > 0 else max(vtime, clock)


def _plant(tx: Tx, path: Mapping[str, str]) -> None:
    version, team, user = {"model": path["p_model"], "version": path["p_version"]}, path["p_team"], path["p_node"]
    known = tx.execute(select(share.c.node, share.c.weight).where(share.c.node.in_((team, user))))
    weights = {row.node: row.weight for row in known}
    for node, parent in ((ROOT, None), (team, ROOT), (user, team)):
        tx.execute(statements.PLANT, version | {"node": node, "parent": parent, "weight": weights.get(node, 1.0)})
