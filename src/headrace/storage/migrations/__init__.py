"""Every change of the schema, in order (Alembic), the same for each database engine."""

HEAD = "0001"  # the newest revision; a test holds this line to versions/
