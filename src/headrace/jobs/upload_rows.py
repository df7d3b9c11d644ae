"""SQL <-> files of open jobs that arrive in pieces."""

from sqlalchemy import delete, insert, select, update

from headrace.domain.errors import Conflict
from headrace.domain.job import Job, JobState
from headrace.jobs.tables import job, upload
from headrace.storage.database import Tx


def file_of(tx: Tx, stored: Job, input_name: str, model_key: str) -> tuple[int, int]:
    """Number and acknowledged bytes of a file, which is made if it is not there yet."""
    check_open(tx, stored)
    row = tx.execute(
        select(upload.c.number, upload.c.size).where(
            upload.c.job == stored.number, upload.c.input_name == input_name, upload.c.model_key == model_key
        )
    ).one_or_none()
    if row is not None:
        return row.number, row.size
    values = {"job": stored.number, "input_name": input_name, "model_key": model_key, "size": 0}
    inserted = tx.execute(insert(upload).values(values)).inserted_primary_key
    return (inserted[0] if inserted else 0), 0


def acknowledge(tx: Tx, stored: Job, number: int, size: int) -> None:
    check_open(tx, stored)
    tx.execute(update(upload).where(upload.c.number == number).values(size=size))


def files(tx: Tx, number: int) -> list[tuple[int, str, str, int]]:
    """(number, input name, model key, bytes) of a job's files in order of arrival."""
    found = tx.execute(
        select(upload.c.number, upload.c.input_name, upload.c.model_key, upload.c.size)
        .where(upload.c.job == number)
        .order_by(upload.c.number)
    )
    return [(row.number, row.input_name, row.model_key, row.size) for row in found]


def forget(tx: Tx, number: int) -> None:
    tx.execute(delete(upload).where(upload.c.job == number))


def known(tx: Tx) -> set[int]:
    return set(tx.scalars(select(upload.c.number)))


def check_open(tx: Tx, stored: Job) -> None:
    state = tx.scalar(select(job.c.state).where(job.c.number == stored.number))
    if state != JobState.OPEN:
        raise Conflict(f"job {stored.id} is {state}: only an OPEN job takes more input. Submit a new job instead")
