"""Every bad image costs its own input only, with an error that says which limit was hit or how it ended.

Beside the bad ones lives a neighbour, which has to answer all the time.
"""

import asyncio

import pytest
from engines.boxes.keeper import SETTINGS, BoxKeeper

from headrace.dialects.dialect import Told
from headrace.domain.errors import LimitReached, ModelFailed
from headrace.domain.replica import Hardware
from headrace.runners import log

TOLD = Told("zoo", "1.0.0", ("input.txt",), ("results.json",))
EVERYWHERE = pytest.mark.parametrize("kind", ["podman", "docker", "rootfs"])
ROOMY = Hardware(memory_bytes=2 << 30)
LATE = "did not answer within 0.5 s (timeout.run)"
MEMORY = "of memory, its limit is 256 MB"

# what ends the replica; in the sandbox memory is looked at, and a process has a limit of its own
COSTLY = {
    "exits": "it exited with code 3",
    "crashes": "signal 11 (SIGSEGV)",
    "hangs": LATE,
    "hangs_in_c": LATE,
    "eats_memory": MEMORY,
    "eats_memory_by_children": MEMORY,
    "eats_memory_files": MEMORY,
    "fills_disk": "to its disk, its limit is 64 MB",
    "fills_disk_unseen": "to its disk, its limit is 64 MB",
    "hangs_up": "the model closed its connection before it had answered: it runs on",
    "closes_port": ": it runs on",
    "drips": LATE,
}
KERNEL = ("exits", "crashes", "hangs", "eats_memory", "fills_disk")  # what an engine's own ways of telling matter for
SHORT = {"hangs", "hangs_in_c", "drips"}  # only these are to be too late

# what costs an answer, and nothing else
CHEAP = {
    "raises": "ValueError: no cat in this picture",
    "rejects": "the picture has no pixels",
    "writes_one_large_file": "File too large",
    "gives_two_gigabytes": f"its outputs are {40 * 60 << 20} bytes together, the limit is {SETTINGS.output} bytes",
    "answers_endlessly": "the model's answer to POST /run cannot be read: it is longer than 1048576 bytes",
    "has_endless_headers": "the model's answer to POST /run cannot be read: its answer has headers without an end",
    "speaks_no_http": "the model's answer to POST /run cannot be read: its answer is not HTTP (MODEL READY 42?)",
    "says_it_in_html": "the model answered with status 200, and not in JSON: <html>done</html>",
    "gives_no_output": "the model did not write its output results.json",
    "gives_too_few": "the model did not write its output results.json",
    "gives_too_many": "it wrote more than 1000 outputs",
    "gives_a_link": "its output 'results.json' is a link: only plain files are taken",
    "gives_a_pipe": "its output 'results.json' is no file: only plain files are taken",
    "gives_a_folder": "its output 'results.json' is a folder: only plain files are taken",
    "redirects": "the model answered with status 302, and not in JSON",
    "chatters": "fine",
}
FULL = {
    "fills_tmp": "/tmp/full: No space left on device",
    "fills_shared_memory": "/dev/shm/full: No space left on device",
    "forks": "fork: Resource temporarily unavailable",
}


class Neighbour:
    """Asked all the time, until it is looked at."""

    def __init__(self, box) -> None:
        self._box, self.heard, self._over = box, [], False

    async def live(self) -> None:
        while not self._over:
            self.heard += await self._box.ask(b"good")
            await asyncio.sleep(0.02)

    def end(self) -> None:
        self._over = True


@EVERYWHERE
async def test_bad_models_cost_their_own_input_only(boxes: BoxKeeper, kind: str) -> None:
    found: dict[str, str] = {}
    async with boxes.loaded(boxes.zoo.http(), TOLD) as beside, asyncio.TaskGroup() as group:
        neighbour = Neighbour(beside)
        group.create_task(neighbour.live())
        try:
            for animal in COSTLY if kind != "docker" else KERNEL:
                async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
                    assert ["fine"] == await box.ask(b"good")
                    found[animal] = await box.trouble(animal.encode(), 0.5 if animal in SHORT else 60)
            async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
                for animal in CHEAP:
                    found[animal] = (await box.ask(animal.encode()))[0]
                    assert ["fine"] == await box.ask(b"good"), animal
        finally:
            neighbour.end()

    wrong = {animal: said for animal, said in found.items() if ({**COSTLY, **CHEAP})[animal] not in said}
    assert {} == wrong
    assert {"fine"} == set(neighbour.heard)
    assert [] == list((boxes.data / ("sandboxes" if kind == "rootfs" else "containers")).iterdir())


@pytest.mark.parametrize("kind", ["podman", "docker"])
async def test_an_engine_holds_these_limits_without_ending_the_model(boxes: BoxKeeper) -> None:
    async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
        found = {animal: (await box.ask(animal.encode()))[0] for animal in FULL}
        again = await box.ask(b"raises")

    assert found == FULL
    assert ["ValueError: no cat in this picture"] == again


@pytest.mark.parametrize("kind", ["rootfs"])
@pytest.mark.parametrize(
    ("animal", "says"),
    [
        ("fills_tmp", "to its disk, its limit is 64 MB"),
        ("fills_shared_memory", "to its disk, its limit is 64 MB"),
        ("forks", "processes and threads, its limit is 40"),
    ],
)
async def test_the_sandbox_ends_the_model_at_these_limits(boxes: BoxKeeper, animal: str, says: str) -> None:
    async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
        assert says in await box.trouble(animal.encode(), 60)


async def test_a_model_that_dies_at_its_tenth_input(boxes: BoxKeeper) -> None:
    async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
        assert ["fine"] * 9 == await box.ask(*[b"at_the_tenth"] * 9)
        assert "it exited with code 10" in await box.trouble(b"at_the_tenth")


@EVERYWHERE
async def test_what_it_prints_is_kept_and_cut(boxes: BoxKeeper) -> None:
    async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
        assert ["fine"] == await box.ask(b"chatters")

    [path] = boxes.logs
    assert log.tail(path).endswith("x\nthe last words\n")
    assert sum(file.stat().st_size for file in path.parent.iterdir()) <= 2 * log.HALF


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (
            "never_listens",
            "the model was not ready within 0.5 s (timeout.status): it listens on none of the ports 8080,",
        ),
        ("hangs_in_status", "the model was not ready within 0.5 s (timeout.status)"),
        ("speaks_no_http", "on port 8080, its answer is not HTTP (MODEL READY 42?)"),
    ],
)
async def test_a_model_that_is_never_ready(boxes: BoxKeeper, start: str, says: str) -> None:
    async with boxes.box(boxes.zoo.http(start), TOLD) as (running, dialect):
        await _printed(running)
        with pytest.raises(LimitReached) as late:
            await dialect.ready(0.5)

    assert says in late.value.message


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ("is_not_ready", "the model is not ready: weights.bin is not there"),
        ("is_another_server", "the model answered with status 200, and not in JSON: <html>It works!</html>"),
    ],
)
async def test_a_model_that_says_why_it_is_not_ready(boxes: BoxKeeper, start: str, says: str) -> None:
    with pytest.raises(ModelFailed) as failed:
        async with boxes.box(boxes.zoo.http(start), TOLD) as (_, dialect):
            await dialect.ready(60)

    assert says in failed.value.message


@EVERYWHERE
@pytest.mark.parametrize(("start", "says"), [("dies", "it exited with code 4"), ("eats_memory", MEMORY)])
async def test_a_model_that_ends_at_its_start(boxes: BoxKeeper, start: str, says: str) -> None:
    async with boxes.box(boxes.zoo.http(start), TOLD) as (running, _):
        ending = await running.ended()

    assert says in ending.sentence


@EVERYWHERE
async def test_a_model_that_ignores_the_end_is_killed(boxes: BoxKeeper) -> None:
    async with boxes.loaded(boxes.zoo.http("ignores_the_end"), TOLD) as box:
        ending = await box.running.stop(0.3)

    assert 9 == ending.signal
    assert ending.limit is None


@EVERYWHERE
async def test_an_image_whose_program_is_not_there(boxes: BoxKeeper) -> None:
    """docker says it when the container is started, the others print it."""
    try:
        async with boxes.box(boxes.zoo.command("/not/there"), TOLD) as (running, _):
            ending = await running.ended()
            said = f"{ending.sentence}: {log.tail(running.log)}"
    except ModelFailed as error:
        said = error.message

    assert "no such file" in said.lower()


GRPC_CHEAP = {
    "raises": "no cat in this picture",
    "gives_too_few": "the model gave 0 answers to 1 inputs",
    "refuses": "the picture has no pixels",
    "fails": "this one only",
    "fails_silently": "the model says that it has failed, and not why",
    "says_error_and_success": "said with success",
    "gives_nothing": "the model did not give its output results.json",
    "gives_another": "the model did not give its output results.json",
}


async def test_bad_answers_of_the_second_contract(boxes: BoxKeeper) -> None:
    """In a batch as well: who is at fault is found, and the others have their answers."""
    async with boxes.loaded(boxes.zoo.grpc(), TOLD, hardware=ROOMY) as box:
        [large] = await box.ask(b"gives_two_gigabytes")
        found = {animal: await box.ask(b"good", animal.encode(), b"good") for animal in GRPC_CHEAP}

    assert "its outputs are larger than the limit of 262144000 bytes" in large
    wrong = {animal: said for animal, said in found.items() if GRPC_CHEAP[animal] not in said[1]}
    assert {} == wrong
    assert {"fine"} == {one for said in found.values() for one in (said[0], said[2])}


@pytest.mark.parametrize(("animal", "says"), [("exits", "it exited with code 3"), ("hangs", LATE)])
async def test_who_costs_a_replica_of_the_second_contract(boxes: BoxKeeper, animal: str, says: str) -> None:
    async with boxes.loaded(boxes.zoo.grpc(), TOLD) as box:
        assert says in await box.trouble(animal.encode(), 0.5 if animal == "hangs" else 60)


async def test_a_model_of_the_second_contract_that_is_not_ready(boxes: BoxKeeper) -> None:
    with pytest.raises(ModelFailed, match="the model could not be loaded: weights"):
        async with boxes.box(boxes.zoo.grpc("is_not_ready"), TOLD) as (_, dialect):
            await dialect.ready(60)


async def _printed(running) -> None:
    """It has begun: what follows is its own time."""
    async with asyncio.timeout(60):
        while "hello" not in log.tail(running.log):
            await asyncio.sleep(0.01)
