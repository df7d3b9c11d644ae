"""Taskiq on Redis streams: results in Redis."""

import asyncio
import os
import sys

import redis
from taskiq.cli.worker.args import WorkerArgs
from taskiq.cli.worker.run import run_worker
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

results = RedisAsyncResultBackend(os.environ["REDIS"], prefix_str="result")
broker = RedisStreamBroker(os.environ["REDIS"]).with_result_backend(results)


@broker.task(task_name="work")
async def work(text):
    return {"length": len(text), "said": "y" * 80}


async def submit(count, done):
    found = redis.Redis.from_url(os.environ["REDIS"])
    await broker.startup()
    for _ in range(count):
        await work.kiq(os.environ["INPUT"])
    while len(found.keys("result*")) < done:  # noqa: ASYNC110 - the store is looked at
        await asyncio.sleep(0.2)
    await broker.shutdown()


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        run_worker(WorkerArgs(broker="taskiq_queue:broker", modules=[], workers=1, log_level="ERROR"))
    else:
        asyncio.run(submit(int(sys.argv[2]), int(sys.argv[3])))
