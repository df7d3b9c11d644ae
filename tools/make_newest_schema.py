"""Write the script that makes the newest schema in a new SQLite file, from what the revisions make.

usage: python tools/make_newest_schema.py          after every change of a revision
"""

import re

import sqlalchemy

from headrace.storage.migrate import upgrade
from headrace.storage.migrations import HEAD, NEWEST

MADE = "select sql from sqlite_master where sql is not null and name not like 'sqlite~_%' escape '~' order by rowid"


def main() -> None:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    with engine.begin() as connection:
        upgrade(connection)
        statements = list(connection.scalars(sqlalchemy.text(MADE)))
    NEWEST.write_text(re.sub(r" +\n", "\n", "".join(f"{statement};\n" for statement in statements)))
    print(f"wrote {NEWEST}: schema {HEAD}")


if __name__ == "__main__":
    main()
