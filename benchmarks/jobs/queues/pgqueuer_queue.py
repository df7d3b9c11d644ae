"""PgQueuer on PostgreSQL: each result in a row of its own."""

import asyncio
import json
import os
import sys

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries


async def worker():
    connection, own = (
        await asyncpg.connect(os.environ["POSTGRESQL"]),
        await asyncpg.create_pool(os.environ["POSTGRESQL"]),
    )
    queue = PgQueuer(AsyncpgDriver(connection))

    @queue.entrypoint("work")
    async def work(job):
        result = json.dumps({"length": len(job.payload), "said": "y" * 80})
        await own.execute("insert into results (body) values ($1)", result)

    await queue.run()


async def submit(count, done):
    connection = await asyncpg.connect(os.environ["POSTGRESQL"])
    queries = Queries(AsyncpgDriver(connection))
    for _ in range(count):
        await queries.enqueue(["work"], [os.environ["INPUT"].encode()], [0])
    while await connection.fetchval("select count(*) from results") < done:  # noqa: ASYNC110 - the store is looked at
        await asyncio.sleep(0.2)


async def prepare():
    connection = await asyncpg.connect(os.environ["POSTGRESQL"])
    await Queries(AsyncpgDriver(connection)).install()
    await connection.execute("create table results (id bigserial primary key, body text not null)")


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        asyncio.run(submit(int(sys.argv[2]), int(sys.argv[3])))
    else:
        asyncio.run({"worker": worker, "prepare": prepare}[sys.argv[1]]())
