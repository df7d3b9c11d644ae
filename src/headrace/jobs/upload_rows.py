"""SQL <-> files of open jobs that arrive in pieces."""

from sqlalchemy import delete, exists, insert, select, update

from headrace.domain.body import BlobRef, Body, size_of
from headrace.domain.errors import Conflict
from headrace.domain.job import Job, JobState
from headrace.jobs.tables import job, upload, upload_piece
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


def acknowledge(tx: Tx, stored: Job, number: int, before: int, size: int) -> None:
    """Raises Conflict when the file has not `before` bytes any more: another server has taken a piece meanwhile."""
    check_open(tx, stored)
    grown = update(upload).where(upload.c.number == number, upload.c.size == before).values(size=size)
    if tx.execute(grown).rowcount == 0:
        raise Conflict("another piece of this file was taken at the same time: send them one after the other")


def add_piece(tx: Tx, number: int, first: int, piece: Body) -> None:
    """Of a file whose pieces are bodies of their own; `first`: the place of its first byte."""
    digest = piece.digest if isinstance(piece, BlobRef) else None
    body = None if isinstance(piece, BlobRef) else piece
    tx.execute(insert(upload_piece).values(upload=number, first=first, size=size_of(piece), digest=digest, body=body))


def piece(tx: Tx, number: int, first: int) -> Body | None:
    row = tx.execute(
        select(upload_piece).where(upload_piece.c.upload == number, upload_piece.c.first == first)
    ).one_or_none()
    if row is None:
        return None
    return bytes(row.body) if row.digest is None else BlobRef(row.digest, row.size)


def kept_pieces(tx: Tx) -> set[str]:
    """Digests that the sweep of unused bodies must leave."""
    return set(tx.scalars(select(upload_piece.c.digest).where(upload_piece.c.digest.is_not(None)).distinct()))


def kept_files(tx: Tx) -> dict[str, int]:
    """The acknowledged bytes of the files that lie in the spool's folder, by their names there."""
    in_pieces = exists().where(upload_piece.c.upload == upload.c.number)
    found = tx.execute(select(upload.c.number, upload.c.size).where(upload.c.size > 0, ~in_pieces))
    return {str(row.number): row.size for row in found}


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
