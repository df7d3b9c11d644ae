"""Huey on SQLite with fsync: one thread, results in the same file."""

import logging
import os
import sys
import time

from huey import SqliteHuey

huey = SqliteHuey("bench", filename="huey.db", fsync=True, results=True)


@huey.task()
def work(text):
    return {"length": len(text), "said": "y" * 80}


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        logging.getLogger("huey").setLevel(logging.ERROR)
        huey.create_consumer(workers=1, periodic=False, initial_delay=0.01, max_delay=0.05).run()
    else:
        count, done = int(sys.argv[2]), int(sys.argv[3])
        for _ in range(count):
            work(os.environ["INPUT"])
        while huey.result_count() < done:
            time.sleep(0.2)
