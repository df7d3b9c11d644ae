"""Celery on Redis: acknowledged late, results in Redis."""

import os
import sys
import time

import redis
from celery import Celery

app = Celery("bench", broker=os.environ["REDIS"], backend=os.environ["REDIS"])
app.conf.update(task_acks_late=True, worker_send_task_events=False, worker_hijack_root_logger=False)


@app.task(name="work")
def work(text):
    return {"length": len(text), "said": "y" * 80}


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        app.worker_main(["worker", "--pool=solo", "--without-gossip", "--without-mingle", "--loglevel=ERROR"])
    else:
        count, done, found = int(sys.argv[2]), int(sys.argv[3]), redis.Redis.from_url(os.environ["REDIS"])
        for _ in range(count):
            work.delay(os.environ["INPUT"])
        while len(found.keys("celery-task-meta-*")) < done:
            time.sleep(0.2)
