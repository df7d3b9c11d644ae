"""After a crash, before anybody starts the server again: rows, bodies and files, against what clients were promised."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import blake3
import sqlalchemy
from sqlalchemy import Connection, Engine, text
from sqlalchemy.pool import NullPool

from headrace.domain.result import InputResult
from headrace.torture import invariants
from headrace.torture.invariants import Stored
from headrace.torture.ledger import Ledger, Promise
from headrace.torture.work import Expected

PIECE = 1 << 20
Places = tuple[Path, Path]  # the data folder, and the one in which uploads lie


def check(places: Places, ledger: Ledger, engine: Engine | None = None, *, at_end: bool) -> list[str]:
    """All faults that are found. Of SQLite a copy is read: how the server opens its own stays its business."""
    if engine is not None:
        return _found(engine, places, ledger, at_end=at_end)
    with tempfile.TemporaryDirectory(prefix="headrace-torture-") as folder:
        copy = Path(folder) / "headrace.db"
        for suffix in ("", "-wal"):
            source = places[0] / f"headrace.db{suffix}"
            if source.exists():
                shutil.copyfile(source, f"{copy}{suffix}")
        engine = sqlalchemy.create_engine(f"sqlite:///{copy}", poolclass=NullPool)
        return _found(engine, places, ledger, at_end=at_end)


def _found(engine: Engine, places: Places, ledger: Ledger, *, at_end: bool) -> list[str]:
    try:
        with engine.connect() as tx:
            return [
                *invariants.of_rows(tx),
                *_promises(tx, ledger, at_end=at_end),
                *_bodies(tx, places[0]),
                *_files(tx, places[1]),
            ]
    finally:
        engine.dispose()


def _promises(tx: Connection, ledger: Ledger, *, at_end: bool) -> Iterator[str]:
    stored = {one.row.id: one for one in invariants.jobs(tx)}
    for promise in list(ledger.promises.values()):
        found = stored.get(promise.job)
        if found is None:
            yield f"job {promise.job} was acknowledged and is not there"
            continue
        for sentence in (*_inputs(found, promise), *_answers(found, promise, ledger.excuses)):
            yield f"job {promise.job} ({found.row.state}): {sentence}"
        if at_end and found.row.state not in invariants.ENDED:
            yield f"job {promise.job} is {found.row.state} at the end"
        if promise.patient and found.row.state == "TIMEDOUT":
            yield f"job {promise.job} timed out long before its time"
        if promise.ended and found.row.state != promise.ended:
            yield f"job {promise.job} was told to be {promise.ended} and is {found.row.state}"
    yield from _once(stored, ledger)


def _inputs(found: Stored, promise: Promise) -> Iterator[str]:
    wanted = {*promise.expected, *promise.refused}
    if lost := wanted - set(found.names):
        yield f"{len(lost)} acknowledged inputs are not there, like {min(lost)}"
    if extra := set(found.names) - wanted:
        yield f"{len(extra)} inputs are there that nobody sent, like {min(extra)}"


def _answers(found: Stored, promise: Promise, excuses: tuple[str, ...]) -> Iterator[str]:
    results = found.results
    for name in promise.seen.keys() - results.keys():
        yield f"the result of {name} was told and is gone"
    for name, result in results.items():
        expected = promise.expected.get(name)
        fault = _refused(result) if expected is None else _wrong(result, expected, excuses)
        if fault:
            yield f"{name} {fault}"


def _refused(result: InputResult) -> str:
    return "was refused and has a result" if result.ok else ""


def _wrong(result: InputResult, expected: Expected, excuses: tuple[str, ...]) -> str:
    if result.ok:
        found = invariants.content(result)
        return "" if found == expected.digest else f"got {found} instead of {expected.digest or expected.failure}"
    error = result.error or ""
    if any(excuse in error for excuse in excuses) or (not expected.digest and expected.failure in error):
        return ""
    return f"failed: {error}"


def _once(stored: dict[str, Stored], ledger: Ledger) -> Iterator[str]:
    """Every attempt is in one job at most, and whatever is stored was sent by somebody."""
    jobs_of: defaultdict[str, set[str]] = defaultdict(set)
    for job, one in stored.items():
        for tag in {_tag(name) for name in one.names}:
            jobs_of[tag].add(job)
    for tag, jobs in jobs_of.items():
        if len(jobs) > 1:
            yield f"what was sent once ({tag}) is stored in {len(jobs)} jobs"
        if tag not in ledger.tried:
            yield f"nobody has sent what job {min(jobs)} holds ({tag})"
        if tag in ledger.refused:
            yield f"job {min(jobs)} is stored although it was refused ({tag})"


def _tag(name: str) -> str:
    """`client.number.turn-input` or without the turn, when the server knows idempotency keys."""
    return name.partition("-")[0]


def _bodies(tx: Connection, data: Path) -> Iterator[str]:
    key = (data / "secrets" / "blobs.key").read_bytes()
    for digest in invariants.bodies_in_use(tx):
        path = data / "blobs" / digest[:2] / digest[2:4] / digest
        if not path.is_file():
            yield f"the body {digest} is named and not there"
        elif _hash(path, key) != digest:
            yield f"the body {digest} is not what it was"


def _hash(path: Path, key: bytes) -> str:
    hasher = blake3.blake3(key=key)
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
    return hasher.hexdigest()


def _files(tx: Connection, folder: Path) -> Iterator[str]:
    """Acknowledged pieces of open jobs, and archives whose import is not over, are there."""
    for row in tx.execute(
        text("select upload.number as number, upload.size as size from upload join job on upload.job = job.number")
    ):
        path = folder / "spool" / "jobs" / str(row.number)
        size = path.stat().st_size if path.exists() else -1
        if row.size and size < row.size:
            yield f"{row.size} bytes of a file were acknowledged and {max(0, size)} are there"
    for path in tx.scalars(text("select path from image_sources where form = 'archive'")):
        if not (folder / "imports" / Path(path).name).exists():
            yield f"the archive {Path(path).name} was acknowledged and is not there"
