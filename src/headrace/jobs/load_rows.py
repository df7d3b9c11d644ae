"""SQL of what an account has in jobs that are not over: one row, kept, so that a limit costs one statement."""

from headrace.domain.errors import TooMuchWaiting
from headrace.domain.job import Job
from headrace.jobs import statements
from headrace.settings import JobSettings
from headrace.storage.database import Tx

UNLIMITED = 1 << 62


def take(tx: Tx, stored: Job, limits: JobSettings) -> None:
    """A job goes into the queue. Raises TooMuchWaiting: the caller's transaction then undoes all."""
    wanted = _of(stored) | {
        "p_most_inputs": limits.waiting_inputs or UNLIMITED,
        "p_most_bytes": limits.waiting_bytes or UNLIMITED,
    }
    if statements.TAKE_LOAD.run(tx, wanted):
        return
    statements.FIRST_LOAD.run(tx, {"account": stored.account})
    if not statements.TAKE_LOAD.run(tx, wanted):
        raise TooMuchWaiting(_sentence(tx, stored, limits), retry_after=30)


def give_back(tx: Tx, stored: Job) -> None:
    """A job that was in the queue is over."""
    statements.GIVE_BACK_LOAD.run(tx, _of(stored))


def _of(stored: Job) -> dict[str, object]:
    return {"p_account": stored.account, "p_count": stored.total, "p_bytes": stored.input_bytes}


def _sentence(tx: Tx, stored: Job, limits: JobSettings) -> str:
    row = statements.LOAD_OF.one(tx, {"p_account": stored.account})
    return (
        f"the jobs of this account that are not over have {row.inputs} inputs with {row.size} bytes, and this one has"
        f" {stored.total} with {stored.input_bytes}: more than {limits.waiting_inputs or 'any number of'} inputs"
        f" (jobs.waiting_inputs) or {limits.waiting_bytes or 'any number of'} bytes (jobs.waiting_bytes)."
        " Nothing was stored: submit it again when some of them are over"
    )
