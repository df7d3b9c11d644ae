"""Write the next revision of the schema from what the rooms' tables say now; read it before you commit it.

usage: python tools/make_migration.py REVISION "what changes"
"""

import sys

import sqlalchemy
from alembic import command

from headrace import assemble
from headrace.storage.migrate import configuration


def main(revision: str, message: str) -> None:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)
    with engine.connect() as connection:
        config = configuration(connection)
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=revision)
    print(f"wrote revision {revision} with the tables of {assemble.__name__}; set HEAD in migrations/__init__.py")


if __name__ == "__main__":
    main(*sys.argv[1:3])
