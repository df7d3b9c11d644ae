"""Procrastinate on PostgreSQL: each result in a row of its own."""

import asyncio
import json
import os
import sys

import procrastinate
import psycopg

connector = procrastinate.PsycopgConnector(conninfo=os.environ["POSTGRESQL"])
app = procrastinate.App(connector=connector)


@app.task(name="work")
async def work(text):
    result = json.dumps({"length": len(text), "said": "y" * 80})
    await connector.execute_query_async("insert into results (body) values (%(body)s)", body=result)


async def worker():
    async with app.open_async():
        await app.run_worker_async(concurrency=1, install_signal_handlers=False)


async def submit(count, done):
    async with app.open_async():
        for _ in range(count):
            await work.defer_async(text=os.environ["INPUT"])
    with psycopg.connect(os.environ["POSTGRESQL"], autocommit=True) as connection:
        while connection.execute("select count(*) from results").fetchone()[0] < done:  # noqa: ASYNC110 - the store is looked at
            await asyncio.sleep(0.2)


async def prepare():
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
    with psycopg.connect(os.environ["POSTGRESQL"], autocommit=True) as connection:
        connection.execute("create table results (id bigserial primary key, body text not null)")


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        asyncio.run(submit(int(sys.argv[2]), int(sys.argv[3])))
    else:
        asyncio.run({"worker": worker, "prepare": prepare}[sys.argv[1]]())
