"""Which schema a database has, and whether this program knows it."""

from sqlalchemy import Connection, inspect, text

from headrace.domain.errors import StorageFailed
from headrace.storage.migrations import HEAD


def revision_of(connection: Connection) -> str | None:
    """None for a database without our tables."""
    known = inspect(connection).has_table("alembic_version")
    revision: str | None = connection.scalar(text("select version_num from alembic_version")) if known else None
    return revision


def is_new(connection: Connection) -> bool:
    """There is not a single table."""
    return not inspect(connection).get_table_names()


def check_revision(revision: str | None) -> None:
    """Raises StorageFailed when a newer Headrace has been here."""
    if revision is not None and revision > HEAD:
        raise StorageFailed(
            f"this database has schema {revision} and this Headrace knows schemas up to {HEAD}: "
            "it was written by a newer Headrace. Start that one, or restore a backup from before its upgrade"
        )
