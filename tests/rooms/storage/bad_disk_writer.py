"""Run below `fiu-run`: writes rows until 300 were acknowledged, and says which. Usage: bad_disk_writer.py DATABASE"""

import asyncio
import os
import sys
from pathlib import Path

from sqlalchemy import text

from headrace.domain.errors import StorageFailed
from headrace.storage.sqlite import Sqlite

ENOUGH = 300


async def write(path):
    database = opened(path)
    await patiently(database, "create table kept (n integer primary key, body blob)", {})
    for number in range(ENOUGH):
        await patiently(database, "insert into kept values (:n, :body)", {"n": number, "body": os.urandom(3_000)})
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
    database.close()


def opened(path):
    while True:
        try:
            return Sqlite(Path(path))
        except Exception:  # noqa: BLE001 - the disk has errors: that is what this is for
            continue


async def patiently(database, statement, values):
    """A refusal may be said of what was stored all the same; then the next try finds it there."""
    while True:
        try:
            await database.write(lambda tx: tx.execute(text(statement), values))
        except StorageFailed:
            await asyncio.sleep(0)
            continue
        except Exception as error:
            if "already exists" not in str(error) and "UNIQUE" not in str(error):
                raise
        return


asyncio.run(write(sys.argv[1]))
