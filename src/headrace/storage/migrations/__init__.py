"""Every change of the schema, in order (Alembic), the same for each database engine."""

from pathlib import Path

HEAD = "0001"  # the newest revision; a test holds this line to versions/
NEWEST = Path(__file__).parent / "newest.sql"  # what all revisions make in SQLite; a test holds it to them
