"""Dramatiq on Redis: one process with one thread, results in Redis."""

import os
import sys
import time

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.cli import main, make_argument_parser
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=os.environ["REDIS"])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["REDIS"]), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor
def work(text):
    return {"length": len(text), "said": "y" * 80}


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        sys.exit(main(make_argument_parser().parse_args(["dramatiq_queue", "-p", "1", "-t", "1", "-P", "."])))
    count, done, found = int(sys.argv[2]), int(sys.argv[3]), redis.Redis.from_url(os.environ["REDIS"])
    for _ in range(count):
        work.send(os.environ["INPUT"])
    while len(found.keys("?" * 32)) < done:
        time.sleep(0.2)
