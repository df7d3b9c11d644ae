"""Backup, restore and verify, on both databases: everything is back, nothing is put over something, no flip missed."""

import asyncio
import random

import msgspec
import pytest
from rooms.jobs.house import ANN, job_house
from sqlalchemy import text
from typer.testing import CliRunner

from headrace.catalog.kept_blobs import kept_blobs
from headrace.cli.db import FILES
from headrace.cli.main import app
from headrace.domain.body import whole
from headrace.domain.errors import Conflict, Invalid, StorageFailed
from headrace.domain.job import JobInput, JobState, NewJob
from headrace.domain.source import SourceKind
from headrace.jobs import rows as job_rows
from headrace.jobs import sound_rows, upload_rows
from headrace.jobs.history_rows import used_blobs
from headrace.jobs.spool import Spool
from headrace.jobs.uploads import Uploads
from headrace.settings import Settings, StorageSettings
from headrace.storage import migrations, opening
from headrace.storage.backup import make, restore, rows, verify
from headrace.storage.opening import connect, open_blobs, open_database

NAMED = (used_blobs, kept_blobs)
NAMES = make.Names(NAMED, FILES)
LARGE = b"large" * 100_000


@pytest.fixture
async def installation(storage_url, tmp_path, monkeypatch):
    """Settings of an installation with a finished job, one that waits, a large body, a model folder and an upload."""
    monkeypatch.setattr("rooms.jobs.house.new_url", lambda: storage_url)
    data = tmp_path / "data"
    settings = Settings(data, storage=StorageSettings(url=storage_url))
    model = data / "models" / "abc"
    model.mkdir(parents=True)
    (model / "model.py").write_text("class Model: ...")
    (model / "run.sh").write_text("#!/bin/sh\n")
    (model / "run.sh").chmod(0o555)
    async with job_house(data, loops=False) as house:
        bodies = open_blobs(settings.storage, data)
        house.submit._blobs = bodies  # noqa: SLF001 - under this installation's own secret
        inputs = [
            JobInput("big", {"input.txt": LARGE}),
            *(JobInput(f"i{n}", {"input.txt": b"x"}) for n in range(2_500)),
        ]
        await house.submit.submit(ANN, NewJob(house.key, SourceKind.EMBEDDED, inputs))
        await house.submit.submit(ANN, NewJob(house.key, SourceKind.FILE, None))
    return settings


def contents(settings):
    """Every row, in a form that does not depend on the database."""
    database = connect(settings.storage, settings.data)
    try:
        with database.engine.connect() as connection:
            found = {
                table.name: sorted(repr(tuple(row)) for row in connection.execute(table.select()))
                for table in rows.tables(connection)
            }
    finally:
        database.close()
    return found


async def make_backup(settings, target):
    database = connect(settings.storage, settings.data)
    try:
        return await make.backup(database, open_blobs(settings.storage, settings.data), settings, target, NAMES)
    finally:
        database.close()


async def faults(settings):
    database = connect(settings.storage, settings.data)
    try:
        bodies = open_blobs(settings.storage, settings.data)
        found = [sentence async for sentence in verify.of_database(database, bodies, NAMED)]
        return found + await database.read(lambda tx: list(sound_rows.faults(tx)))
    finally:
        database.close()


@pytest.fixture
def elsewhere(request, tmp_path):
    """Settings of a machine where nothing is yet, on the other database than the first."""

    def settings(name="elsewhere", *, postgresql=False):
        url = request.getfixturevalue("postgresql").empty() if postgresql else ""
        return Settings(tmp_path / name, storage=StorageSettings(url=url))

    return settings


@pytest.mark.parametrize("to_postgresql", [False, True])
async def test_everything_is_back_in_either_database(installation, elsewhere, tmp_path, to_postgresql):
    made = await make_backup(installation, tmp_path / "backup")
    there = elsewhere(postgresql=to_postgresql)
    await restore.restore(tmp_path / "backup", there)

    assert contents(installation) == contents(there)
    assert made.tables["chunk"] == 3
    for name in ("keys.pepper", "blobs.key"):
        secret = installation.data / "secrets" / name
        assert not secret.exists() or secret.read_bytes() == (there.data / "secrets" / name).read_bytes()
    assert 0o555 == (there.data / "models" / "abc" / "run.sh").stat().st_mode & 0o777
    [digest] = [file.path.rpartition("/")[2] for file in made.files if file.path.startswith("bodies/")]
    bodies = open_blobs(there.storage, there.data)
    assert LARGE == await whole(make.BlobRef(digest, len(LARGE)), bodies)
    assert [] == await faults(there)
    again = open_database(there.storage, there.data)  # new numbers come after the old ones
    assert 3 == await again.write(
        lambda tx: (
            tx.execute(
                text(
                    "insert into upload (job, input_name, model_key, size) values"
                    " (1, 'a', 'k', 0), (1, 'b', 'k', 0), (1, 'c', 'k', 0)"
                )
            ).rowcount
        )
    )
    again.close()


async def test_a_backup_goes_on_while_jobs_are_submitted(storage_url, tmp_path, monkeypatch, elsewhere):
    monkeypatch.setattr("rooms.jobs.house.new_url", lambda: storage_url)
    data = tmp_path / "data"
    settings = Settings(data, storage=StorageSettings(url=storage_url))
    async with job_house(data, loops=False) as house:
        open_blobs(settings.storage, data)
        over = False

        async def submit():
            count = 0
            while not over:
                await house.submit.submit(ANN, NewJob(house.key, SourceKind.TEXT, [JobInput("a", {"input.txt": b"x"})]))
                count += 1
            return count

        async with asyncio.TaskGroup() as group:
            submitting = group.create_task(submit())
            for number in range(3):
                await make_backup(settings, tmp_path / f"backup{number}")
            over = True
        assert submitting.result() > 0
    for number in range(3):
        assert [] == list(verify.of_backup(tmp_path / f"backup{number}"))
        there = elsewhere(f"there{number}")
        await restore.restore(tmp_path / f"backup{number}", there)
        assert [] == await faults(there)


async def pieces(*parts):
    for part in parts:
        yield part


async def test_a_file_that_is_closed_meanwhile_is_whole_when_restored(storage_url, tmp_path, monkeypatch, elsewhere):
    """One file goes while the backup looks at it; another stays open, with a piece that was not acknowledged."""
    monkeypatch.setattr("rooms.jobs.house.new_url", lambda: storage_url)
    data, loop, views = tmp_path / "data", asyncio.get_running_loop(), []
    settings = Settings(data, storage=StorageSettings(url=storage_url))
    async with job_house(data, loops=False) as house:
        bodies = open_blobs(settings.storage, data)
        uploads = Uploads(house.room, house.submit, bodies, Spool(data / "spool" / "jobs"))
        gone, stays = [await house.submit.submit(ANN, NewJob(house.key, SourceKind.FILE, None)) for _ in range(2)]
        for job in (gone, stays):
            await uploads.append(ANN, job.id, ("a", "input.txt"), pieces(b"all ", b"of it"))
        with (data / "spool" / "jobs" / "2").open("ab") as file:
            file.write(b" and more")

        def look(tx):
            found = upload_rows.kept_files(tx)
            views.append(found)
            if len(views) == 1:
                asyncio.run_coroutine_threadsafe(uploads.close(ANN, gone.id), loop).result(60)
            return found

        database = connect(settings.storage, settings.data)
        names = make.Names(NAMED, {"spool/jobs": look})
        made = await make.backup(database, bodies, settings, tmp_path / "backup", names)
        database.close()
    assert [{"1": 9, "2": 9}, {"2": 9}] == views
    assert ["data/spool/jobs/2"] == [file.path for file in made.files if "spool" in file.path]
    there = elsewhere()
    await restore.restore(tmp_path / "backup", there)
    database = open_database(there.storage, there.data)
    spool = Spool(there.data / "spool" / "jobs")
    assert JobState.SUBMITTED is (await database.read(lambda tx: job_rows.by_id(tx, gone.id))).state
    assert b"all of it" == await spool.body(2, 9, bodies)
    database.close()


async def test_a_file_that_was_lost_before_does_not_stop_a_backup(installation, tmp_path):
    async with job_house(installation.data, loops=False) as house:
        uploads = Uploads(house.room, house.submit, house.blobs, Spool(installation.data / "spool" / "jobs"))
        job = await house.submit.submit(ANN, NewJob(house.key, SourceKind.FILE, None))
        await uploads.append(ANN, job.id, ("a", "input.txt"), pieces(b"x"))
    (installation.data / "spool" / "jobs" / "1").unlink()
    made = await make_backup(installation, tmp_path / "backup")
    assert (1, []) == (made.tables["upload"], [file.path for file in made.files if "spool" in file.path])


async def test_nothing_is_put_over_something(installation, elsewhere, tmp_path):
    await make_backup(installation, tmp_path / "backup")
    with pytest.raises(Conflict, match=r"not empty|already"):
        await restore.restore(tmp_path / "backup", installation)
    with pytest.raises(Conflict, match="there already"):
        await make_backup(installation, tmp_path / "backup")
    full = elsewhere("full", postgresql=True)
    open_database(full.storage, full.data).close()
    with pytest.raises(Conflict, match="not empty"):
        await restore.restore(tmp_path / "backup", full)


async def test_every_flipped_byte_of_a_backup_is_found(installation, elsewhere, tmp_path):
    backup = tmp_path / "backup"
    await make_backup(installation, backup)
    chosen = random.Random(5)
    files = sorted(path for path in backup.rglob("*") if path.is_file())
    for path in files:
        whole_file = path.read_bytes()
        for _ in range(3 if whole_file else 0):
            place = chosen.randrange(len(whole_file))
            flipped = bytearray(whole_file)
            flipped[place] ^= 1 << chosen.randrange(8)
            path.chmod(0o600)
            path.write_bytes(flipped)
            try:
                found = list(verify.of_backup(backup))
            except Invalid as error:  # the manifest itself
                found = [error.message]
            assert any(path.name in sentence or "manifest" in sentence for sentence in found), (path, place)
        path.write_bytes(whole_file)
    assert [] == list(verify.of_backup(backup))
    body = next(path for path in files if path.parts[-4] == "bodies")
    body.write_bytes(b"L" + body.read_bytes()[1:])
    with pytest.raises(Invalid, match="changed"):
        await restore.restore(backup, elsewhere())


async def test_missing_and_foreign_files_of_a_backup_are_named(installation, tmp_path):
    backup = tmp_path / "backup"
    await make_backup(installation, backup)
    (backup / "rows" / "job").rename(backup / "rows" / "jobs")
    assert {"rows/job is missing", "rows/jobs does not belong to the backup"} <= set(verify.of_backup(backup))


async def test_what_is_wrong_with_a_living_installation_is_named(installation):
    assert [] == await faults(installation)
    database = connect(installation.storage, installation.data)
    await database.write(lambda tx: tx.execute(text("update job set completed = 7 where number = 1")))
    await database.write(lambda tx: tx.execute(text("update chunk set payload = '\\x00' where first = 0")))
    body = next(path for path in (installation.data / "blobs").rglob("*") if path.is_file())
    body.write_bytes(b"L" + body.read_bytes()[1:])
    database.close()

    found = "\n".join(await faults(installation))
    assert "7 completed" in found
    assert "inputs from 0 on" in found
    assert f"{body.name} was changed" in found


async def test_the_rows_are_kept_before_the_schema_changes(installation, monkeypatch, elsewhere):
    monkeypatch.setattr(migrations, "HEAD", "0001a")
    for module in (opening, make):
        monkeypatch.setattr(module, "HEAD", "0001a")
    before = contents(installation)
    monkeypatch.setattr(
        "headrace.storage.migrate.upgrade", lambda connection: connection.execute(text("delete from vote"))
    )
    open_database(installation.storage, installation.data).close()

    [kept] = (installation.data / "backups").iterdir()
    assert kept.name.startswith("before-0001a-")
    monkeypatch.undo()
    there = elsewhere()
    await restore.restore(kept, there)
    assert before == contents(there)


async def test_a_backup_of_a_newer_headrace_is_refused_with_a_sentence(installation, elsewhere, tmp_path):
    await make_backup(installation, tmp_path / "backup")
    made = make.manifest.read(tmp_path / "backup")
    make.manifest.write(tmp_path / "backup", replace_revision(made))
    with pytest.raises(StorageFailed, match="newer Headrace"):
        await restore.restore(tmp_path / "backup", elsewhere())


def replace_revision(made):
    return msgspec.structs.replace(made, revision="9999")


def test_the_commands(installation, tmp_path):
    def run(*arguments):
        given = ["--set", f"storage.url={installation.storage.url}"] if installation.storage.url else []
        return CliRunner().invoke(app, ["db", *arguments, *given])

    data = ["--data", str(installation.data)]
    assert "the schema is" in run("upgrade", *data).stdout
    made = run("backup", str(tmp_path / "backup"), *data)
    assert 0 == made.exit_code, made.output
    assert "rows" in made.stdout
    assert "as it was written" in run("verify", str(tmp_path / "backup")).stdout
    assert "as it was written" in run("verify", *data).stdout
    refused = run("restore", str(tmp_path / "backup"), *data)
    assert (1, True) == (refused.exit_code, "not empty" in refused.stderr)
    back = CliRunner().invoke(app, ["db", "restore", str(tmp_path / "backup"), "--data", str(tmp_path / "new")])
    assert 0 == back.exit_code, back.output
    (tmp_path / "backup" / "rows" / "job").unlink()
    found = run("verify", str(tmp_path / "backup"))
    assert (1, True) == (found.exit_code, "rows/job is missing" in found.stdout)
    assert 3 == run("verify", str(tmp_path)).exit_code
