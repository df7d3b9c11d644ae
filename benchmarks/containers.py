"""What a container costs: cold start to the first result, warm calls, twenty replicas at once.

usage: python -m benchmarks.containers [--engine URL] [--calls 300]

The model does nothing (it writes `{"fine": true}`): the way to it and back is measured. A process beside the harness,
the first contract (HTTP and files), the second (gRPC), each beside the same call made directly. Needs podman or
docker.
"""

import argparse
import asyncio
import http.client
import json
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import grpc
from engines.boxes.shelf import Shelf
from engines.boxes.zoo import Zoo

from headrace.dialects.dialect import Told
from headrace.dialects.frames import Frames
from headrace.dialects.proto import modzy_model_pb2 as proto
from headrace.dialects.relay import Relay
from headrace.domain.question import Question
from headrace.domain.replica import Hardware, ImageLaunch, Launch
from headrace.fleet.listening import listening
from headrace.runners.choose import choose
from headrace.runners.containers.runner import ContainerRunner
from headrace.runners.rootfs import RootfsRunner
from headrace.settings import RunnerSettings
from headrace.storage.blobs import FolderBlobs

HARDWARE = Hardware(memory_bytes=256 << 20)
TOLD = Told("zoo", "1.0.0", ("input.txt",), ("results.json",))
QUESTION = Question({"input.txt": b"good"})
MODEL = 'class Model:\n    def predict(self, inputs):\n        return {"results.json": {"fine": True}}\n'
MOST = 32 << 20
TOGETHER, AT_A_TIME = 20, 4


class Bench:
    def __init__(self, folder, engine):
        self.zoo = Zoo(folder / "zoo")
        (folder / "zoo").mkdir()
        self.images = {"http": self.zoo.http(), "grpc": self.zoo.grpc()}
        settings = RunnerSettings(engine=engine)
        shelf = Shelf(self.zoo.roots, self.zoo.images)
        (folder / "data").mkdir()
        self.containers = ContainerRunner(settings, folder / "data", shelf)
        self.rootfs = RootfsRunner(settings, folder / "data", shelf)
        self.processes = choose(settings, folder / "data")
        self.store = FolderBlobs(folder / "data" / "blobs", b"k" * 32)
        self.folder = folder / "model"
        self.folder.mkdir()
        (self.folder / "model.py").write_text(MODEL)

    @asynccontextmanager
    async def process(self):
        launch = Launch("process", str(self.folder), sys.executable, "model.py:Model", HARDWARE)
        running = await self.processes.start(launch)
        dialect = Frames(running.connection, self.store, MOST, TOLD)
        try:
            await dialect.ready(60)
            yield running, dialect
        finally:
            dialect.close()
            await running.stop(1)

    @asynccontextmanager
    async def image(self, contract, runner=None, name="box"):
        launch = ImageLaunch(name, self.images[contract].digest, "zoo", HARDWARE)
        running = await (runner or self.containers).start(launch)
        dialect = listening(running.connection, TOLD, self.store, MOST)
        try:
            await dialect.ready(60)
            yield running, dialect
        finally:
            await dialect.part()
            dialect.close()
            await running.stop(1)


async def ask(dialect):
    async for answer in dialect.run([QUESTION], 60):
        assert answer.error is None, answer.error


async def cold(opened, repeats=5):
    """Seconds from nothing to the first result, the image being there already."""
    found = []
    for _ in range(repeats):
        since = time.perf_counter()
        async with opened() as (_, dialect):
            await ask(dialect)
            found.append(time.perf_counter() - since)
    return statistics.median(found)


async def warm(call, calls):
    """Microseconds of a call, one after the other."""
    for _ in range(20):
        await call()
    found = []
    for _ in range(calls):
        since = time.perf_counter()
        await call()
        found.append((time.perf_counter() - since) * 1e6)
    found.sort()
    return found[len(found) // 2], found[len(found) * 99 // 100]


def directly_http(running):
    """The same files and the same request, by the standard library alone.

    A model that writes headers and body apart waits 40 ms for this client's acknowledgement; our own gives it at once.
    """
    way = running.connection
    connection = http.client.HTTPConnection("model")
    connection.sock = asyncio.run(way.connect(8080))
    connection.sock.settimeout(60)
    numbers = iter(range(10**9))

    def once():
        name = f"direct-{next(numbers)}"
        place = way.shared / name
        for part in ("input", "output"):
            (place / part).mkdir(parents=True)
        (place / "output").chmod(0o777)
        (place / "input" / "input.txt").write_bytes(b"good")
        inside = f"{way.shared_inside}/{name}"
        body = json.dumps({"type": "file", "input": f"{inside}/input", "output": f"{inside}/output"})
        connection.request("POST", "/run", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        (place / "output" / "results.json").read_bytes()

    async def call():
        await asyncio.to_thread(once)

    return call


async def directly_grpc(running):
    relay = Relay(lambda: running.connection.connect(45000))
    channel = grpc.aio.insecure_channel(f"unix-abstract:{await relay.open()}")
    run = channel.unary_unary(
        "/ModzyModel/Run",
        request_serializer=proto.RunRequest.SerializeToString,
        response_deserializer=proto.RunResponse.FromString,
    )
    request = proto.RunRequest(inputs=[proto.InputItem(input={"input.txt": b"good"})])

    async def call():
        await run(request, timeout=60)

    return call, channel, relay


async def together(bench):
    """Twenty containers side by side, four started at a time: until all have answered, and the calls then."""
    gate, ready, dialects = asyncio.Semaphore(AT_A_TIME), [], []
    everybody, over = asyncio.Event(), asyncio.Event()

    async def one(number):
        async with gate:
            held = bench.image("http", name=f"box-{number}")
            _, dialect = await held.__aenter__()
            await ask(dialect)
        ready.append(time.perf_counter())
        dialects.append(dialect)
        if len(ready) == TOGETHER:
            everybody.set()
        await over.wait()
        await held.__aexit__(None, None, None)

    since = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(TOGETHER):
            group.create_task(one(number))
        await everybody.wait()
        started = max(ready) - since
        began = time.perf_counter()
        await asyncio.gather(*(several(dialect, 20) for dialect in dialects))
        rate = TOGETHER * 20 / (time.perf_counter() - began)
        ended = time.perf_counter()
        over.set()
    return started, rate, time.perf_counter() - ended


async def several(dialect, count):
    for _ in range(count):
        await ask(dialect)


async def main(arguments):
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        bench = Bench(Path(folder), arguments.engine)
        engine = await bench.containers.open()
        print(f"{engine}\n")
        for image in bench.images.values():
            await bench.containers.prepare(image.digest, lambda _: None)
            await bench.rootfs.prepare(image.digest, lambda _: None)
        ways = {
            "process, in the sandbox": bench.process,
            "container, first contract (HTTP, files)": lambda: bench.image("http"),
            "container, second contract (gRPC)": lambda: bench.image("grpc"),
            "no engine: sandbox, first contract": lambda: bench.image("http", bench.rootfs),
            "no engine: sandbox, second contract": lambda: bench.image("grpc", bench.rootfs),
        }
        print(f"{'':42} cold start s   call p50 µs   p99 µs")
        for name, opened in ways.items():
            seconds = await cold(opened)
            async with opened() as (_, dialect):
                p50, p99 = await warm(lambda dialect=dialect: ask(dialect), arguments.calls)
            print(f"{name:42} {seconds:12.2f} {p50:13.0f} {p99:8.0f}")
        async with bench.image("http") as (running, _):
            p50, p99 = await warm(await asyncio.to_thread(directly_http, running), arguments.calls)
            print(f"{'the first contract, called directly':42} {'':12} {p50:13.0f} {p99:8.0f}")
        async with bench.image("grpc") as (running, _):
            call, channel, relay = await directly_grpc(running)
            p50, p99 = await warm(call, arguments.calls)
            await channel.close()
            relay.close()
            print(f"{'the second contract, called directly':42} {'':12} {p50:13.0f} {p99:8.0f}")
        started, rate, removed = await together(bench)
        print(
            f"\n{TOGETHER} containers: all answered after {started:.1f} s, {rate:.0f} calls/s, gone in {removed:.1f} s"
        )
        await bench.containers.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--calls", type=int, default=300)
    asyncio.run(main(parser.parse_args()))
