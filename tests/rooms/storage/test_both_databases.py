"""Where the two databases differ by themselves, ours do not: text, numbers, bytes, order, nulls, flags, sums."""

import random
import string

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, func, insert, select, text, update

from headrace.accounts import rows as people
from headrace.catalog import rows as models
from headrace.catalog.search import ModelQuery
from headrace.domain.account import Status, User
from headrace.domain.errors import Conflict, Invalid, StorageFailed
from headrace.domain.listing import Filter
from headrace.domain.model import Scope
from headrace.jobs import history_rows
from headrace.jobs.history_rows import HistoryQuery
from headrace.jobs.tables import chunk, job, upload
from headrace.settings import StorageSettings
from headrace.storage.migrate import configuration
from headrace.storage.opening import open_database
from headrace.storage.schema import metadata

ODD = ["a", "B", "b", "A", "ä", "Z", "z", "Ω", "_", "-", "~", "é", "e", "E", "ß", "ss", "İ", "i", "\U0001f600", "中"]


@pytest.fixture
async def database(storage_url, tmp_path):
    database = open_database(StorageSettings(url=storage_url), tmp_path)
    yield database
    database.close()


def job_values(number, **changes):
    values = {column.name: 0 for column in job.columns if isinstance(column.type, sqlalchemy.Integer)}
    values |= {column.name: "x" for column in job.columns if isinstance(column.type, sqlalchemy.String)}
    values |= {"id": f"id-{number}", "number": number, "explain": False, "latency_total": 0.0, "vtime": 0.0}
    values |= {"state": "COMPLETED", "kind": "text"}
    return values | {"deadline": None, "started": None, "ended": None, "drop_inputs_at": None} | changes


async def test_text_is_sorted_by_its_bytes(database):
    words = ODD + ["".join(random.Random(n).choices(string.printable.strip(), k=5)) for n in range(50)]
    await database.write(
        lambda tx: tx.execute(insert(job), [job_values(n, user=word) for n, word in enumerate(words, 1)])
    )
    found = await database.read(lambda tx: list(tx.scalars(select(job.c.user).order_by(job.c.user))))
    assert sorted(words, key=str.encode) == found
    least = await database.read(lambda tx: tx.scalar(select(func.min(job.c.user))))
    assert min(words, key=str.encode) == least


async def test_case_matters_where_nothing_else_is_said(database):
    await database.write(
        lambda tx: tx.execute(insert(job), [job_values(n, model=name) for n, name in enumerate(["abc", "ABC"], 1)])
    )
    assert 1 == await database.read(lambda tx: tx.scalar(select(func.count()).where(job.c.model == "ABC")))


@pytest.mark.parametrize("searched", ["AbC", "%", "_", "\\", "50%", "a_c"])
async def test_a_search_of_the_history_means_what_is_written(database, searched):
    names = ["abc", "xAbCx", "50%", "a_c", "a\\c", "%"]
    await database.write(
        lambda tx: tx.execute(insert(job), [job_values(n, model=one, account="acme") for n, one in enumerate(names, 1)])
    )
    query = HistoryQuery(account="acme", search=searched, sort="identifier")
    found = await database.read(lambda tx: [one.version.model for one in history_rows.find(tx, query)])
    expected = [name for name in names if searched.lower() in name.lower()]
    assert sorted(expected) == sorted(found)


async def test_names_are_looked_for_in_any_case(database):
    for name in ("Echo", "ECHO two", "other", "İstanbul", "INFO"):
        await database.write(lambda tx, name=name: tx.execute(insert(models.models).values(**model_values(name))))
    for wanted, expected in (("echo", {"Echo", "ECHO two"}), ("info", {"INFO"}), ("%", set())):
        found = await database.read(lambda tx, wanted=wanted: models.candidates(tx, ModelQuery(name=Filter(wanted))))
        assert expected == {one.name for one in found}


def model_values(name):
    rest = b'{"description":"","owner_email":"","owner_name":"","recommended":false,"commercial":false,"expires":null,'
    rest += b'"features":[],"tags":[],"pictures":[],"teams":[],"versions":[],"active_versions":[]}'
    return {
        "id": name, "account": "a", "team": "t", "owner": "o", "author": "a", "name": name, "scope": Scope.ALL.value,
        "active": True, "created": 1, "updated": 1, "last_used": None, "document": rest,
    }  # fmt: skip


async def test_two_addresses_that_differ_in_case_only_are_one(database):
    def user(number, email):
        return User(f"u{number}", "", email, "", "", "", Status.ACTIVE, 1)

    await database.write(lambda tx: people.insert_user(tx, "acme", user(1, "Ann@example.com")))
    with pytest.raises(Conflict):
        await database.write(lambda tx: people.insert_user(tx, "acme", user(2, "ann@EXAMPLE.com")))
    assert "u1" == (await database.read(lambda tx: people.find_by_email(tx, "acme", "ANN@example.COM"))).identifier


async def test_bytes_come_back_as_they_were(database):
    body = bytes(range(256)) * 5_000
    await database.write(lambda tx: tx.execute(insert(job), [job_values(1)]))
    values = {"job": 1, "first": 0, "length": 1, "bytes": len(body), "names": b"", "payload": body}
    await database.write(lambda tx: tx.execute(insert(chunk).values(values)))
    names, payload = await database.read(lambda tx: tuple(tx.execute(select(chunk.c.names, chunk.c.payload)).one()))
    assert (b"", body) == (names, payload)
    assert isinstance(payload, bytes)


async def test_large_numbers_are_kept_and_too_large_ones_refused(database):
    largest = 2**63 - 1
    await database.write(lambda tx: tx.execute(insert(job), [job_values(1, total=largest, deadline=-largest)]))
    assert (largest, -largest) == await database.read(
        lambda tx: tuple(tx.execute(select(job.c.total, job.c.deadline)).one())
    )
    with pytest.raises((OverflowError, sqlalchemy.exc.DBAPIError, StorageFailed)):
        await database.write(lambda tx: tx.execute(update(job).values(total=2**63)))
    assert largest == await database.read(lambda tx: tx.scalar(select(job.c.total)))


async def test_sums_of_integers_are_exact(database):
    part = 2**53 + 1
    await database.write(lambda tx: tx.execute(insert(job), [job_values(n, total=part) for n in range(1, 8)]))
    assert 7 * part == int(await database.read(lambda tx: tx.scalar(select(func.sum(job.c.total)))))


async def test_flags_and_nulls_come_back_as_they_are(database):
    await database.write(
        lambda tx: tx.execute(insert(job), [job_values(1, explain=True), job_values(2, explain=False, deadline=5)])
    )
    found = await database.read(lambda tx: [tuple(row) for row in tx.execute(
        select(job.c.explain, job.c.deadline).order_by(job.c.number)
    )])  # fmt: skip
    assert [(True, None), (False, 5)] == found
    assert found[0][0] is True


async def test_rows_get_numbers_that_grow(database):
    await database.write(lambda tx: tx.execute(insert(job), [job_values(1)]))

    def add(tx):
        values = {"job": 1, "input_name": f"n{random.random()}", "model_key": "k", "size": 0}
        return tx.execute(insert(upload).values(values)).inserted_primary_key[0]

    numbers = [await database.write(add) for _ in range(5)]
    assert sorted(set(numbers)) == numbers


async def test_what_hangs_on_a_job_goes_with_it(database):
    await database.write(lambda tx: tx.execute(insert(job), [job_values(1)]))
    values = {"job": 1, "first": 0, "length": 1, "bytes": 1, "names": b"", "payload": b""}
    await database.write(lambda tx: tx.execute(insert(chunk).values(values)))
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await database.write(lambda tx: tx.execute(insert(chunk).values(values | {"job": 2})))
    await database.write(lambda tx: tx.execute(delete(job)))
    assert 0 == await database.read(lambda tx: tx.scalar(select(func.count()).select_from(chunk)))


async def test_a_nul_character_does_no_harm(database):
    try:
        found = await database.read(lambda tx: people.find_by_email(tx, "acme", "a\0b"))
    except Invalid:
        found = None
    assert found is None


async def test_one_who_fails_in_a_group_takes_nothing_with_him(database):
    def twice(tx):
        tx.execute(insert(job), [job_values(9)])
        tx.execute(insert(job), [job_values(9)])

    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await database.write(twice)
    assert 0 == await database.read(lambda tx: tx.scalar(select(func.count()).select_from(job)))


def test_the_revisions_make_the_tables_that_the_rooms_describe(storage_url, tmp_path):
    database = open_database(StorageSettings(url=storage_url), tmp_path)
    with database.engine.connect() as connection:
        assert [] == compare_metadata(MigrationContext.configure(connection), metadata)
    database.close()


def test_the_revisions_can_be_taken_back(postgresql):
    settings = StorageSettings(url=postgresql.empty())
    database = open_database(settings, None)
    with database.engine.begin() as connection:
        command.downgrade(configuration(connection), "base")
        assert {"alembic_version"} == set(sqlalchemy.inspect(connection).get_table_names())
    database.close()
    open_database(settings, None).close()


def test_all_text_of_a_postgresql_is_ordered_by_its_bytes(postgresql):
    with postgresql.lent() as one:
        database = open_database(StorageSettings(url=one()), None)
        with database.engine.connect() as connection:
            other = connection.execute(
                text(
                    "select table_name, column_name from information_schema.columns where table_schema = 'public'"
                    " and collation_name is distinct from 'C' and table_name <> 'alembic_version'"
                    " and data_type in ('text', 'character varying')"
                )
            ).all()
        database.close()
    assert [] == other


def test_a_newer_schema_is_refused_with_a_sentence(storage_url, tmp_path):
    database = open_database(StorageSettings(url=storage_url), tmp_path)
    with database.engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    database.close()
    try:
        with pytest.raises(StorageFailed, match="newer Headrace"):
            open_database(StorageSettings(url=storage_url), tmp_path)
    finally:
        if storage_url:  # the next test gets it
            engine = sqlalchemy.create_engine(storage_url.replace("postgresql://", "postgresql+psycopg://"))
            with engine.begin() as connection:
                connection.execute(text("update alembic_version set version_num = '0001'"))
            engine.dispose()
