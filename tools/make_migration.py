"""Write the next revision of the schema from what the rooms' tables say now; read it before you commit it.

usage: python tools/make_migration.py REVISION "what changes"
"""

import re
import sys
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.script import Script

from headrace import assemble
from headrace.storage.migrate import configuration

# storage/schema.py gives every text column of a new table this collation by itself; one that is ADDED needs it written
COLLATED = re.compile(r"\.with_variant\(\s*sa\.(String|Text)\((length=\d+, )?collation='C'\),\s*'postgresql'\)")


def main(revision: str, message: str) -> None:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    with engine.connect() as connection:
        config = configuration(connection)
        command.upgrade(config, "head")
        written = command.revision(config, message, autogenerate=True, rev_id=revision)
    if isinstance(written, Script):
        path = Path(written.path)
        path.write_text(COLLATED.sub("", path.read_text()))
    print(f"wrote revision {revision} with the tables of {assemble.__name__}; set HEAD in migrations/__init__.py,")
    print("and when the revision is as it should be, run tools/make_newest_schema.py")


if __name__ == "__main__":
    main(*sys.argv[1:3])
