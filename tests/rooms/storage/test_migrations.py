"""The revisions lead to just the tables that the rooms describe, and old and new files are told apart."""

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from headrace import assemble
from headrace.domain.errors import StorageFailed, Unsupported
from headrace.settings import StorageSettings
from headrace.storage.migrate import configuration, upgrade
from headrace.storage.migrations import HEAD
from headrace.storage.opening import open_database
from headrace.storage.schema import metadata

assert assemble  # every room's tables are known once it is imported


def test_head_is_the_newest_revision():
    assert HEAD == ScriptDirectory.from_config(configuration()).get_current_head()


def test_the_revisions_make_the_tables_that_the_rooms_describe(tmp_path):
    open_database(StorageSettings(), tmp_path).close()

    with sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'headrace.db'}").connect() as connection:
        assert [] == compare_metadata(MigrationContext.configure(connection), metadata)


def test_a_new_file_has_the_schema_that_the_revisions_make(tmp_path):
    open_database(StorageSettings(), tmp_path).close()

    def made(connection):
        rows = connection.execute(sqlalchemy.text("select type, name, sql from sqlite_master order by name"))
        return [(row.type, row.name, (row.sql or "").split()) for row in rows]

    with sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'headrace.db'}").connect() as connection:
        new = made(connection)
        version = connection.scalar(sqlalchemy.text("select version_num from alembic_version"))
    with sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'other.db'}").begin() as connection:
        upgrade(connection)
        step_by_step = made(connection)
    assert step_by_step == new, "a revision was changed: run tools/make_newest_schema.py"
    assert HEAD == version


def test_opening_twice_changes_nothing(tmp_path):
    for _ in range(2):
        open_database(StorageSettings(), tmp_path).close()


def test_a_file_of_a_newer_headrace_is_refused_with_a_sentence(tmp_path):
    database = open_database(StorageSettings(), tmp_path)
    with database.engine.begin() as connection:
        connection.execute(sqlalchemy.text("update alembic_version set version_num = '9999'"))
    database.close()

    with pytest.raises(StorageFailed, match="newer Headrace"):
        open_database(StorageSettings(), tmp_path)


def test_another_kind_of_database_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(Unsupported, match="sqlite:///"):
        open_database(StorageSettings(url="mysql://localhost/x"), tmp_path)


def test_the_file_is_for_its_owner_only(tmp_path):
    open_database(StorageSettings(), tmp_path).close()
    assert 0o600 == (tmp_path / "headrace.db").stat().st_mode & 0o777


def test_the_revisions_can_be_taken_back(tmp_path):
    database = open_database(StorageSettings(), tmp_path)
    with database.engine.begin() as connection:
        command.downgrade(configuration(connection), "base")
        assert {"alembic_version"} == set(sqlalchemy.inspect(connection).get_table_names())
    database.close()
    open_database(StorageSettings(), tmp_path).close()
