"""Every bad model costs its own input only, and the error says which limit was hit or how it ended."""

import asyncio

import pytest
from engines.keeper import SETTINGS, Keeper, answers, pids_with, text

from headrace.domain.errors import LimitReached, ModelFailed, ReplicaLost
from headrace.domain.question import Question
from headrace.domain.replica import Hardware
from headrace.runners import log

SHORT = 1.5  # seconds for those who do not answer; what answers has LONG, however busy the machine is
LONG = 20
LATE = f"did not answer within {SHORT:g} s (timeout.run)"
COSTLY = [
    ("exits", "it exited with code 3"),
    ("crashes", "signal 11 (SIGSEGV)"),
    ("raises", "ValueError: no cat in this picture"),
    ("leaves", "the model called sys.exit('I am off')"),
    ("hangs", LATE),
    ("hangs_in_c", LATE),
    ("stubborn", LATE),
    ("stops", LATE),
    ("gulps", "MemoryError: the model asked for more memory than its limit"),
    ("threads", "limit"),  # of threads, or of processes and threads: whichever is noticed first
    ("fills_disk_in_one_file", "the model reached its limit of bytes in one file"),
    ("scribbles", "the model wrote into its connection to the server: what it wrote there is not an answer"),
    ("hangs_up", "the replica ended before it had answered"),
    ("lies", LATE),
    ("returns_too_many", "it returned 5000 outputs, the limit is 1000"),
    ("returns_nonsense", "an output holds a Model, which cannot be written as JSON"),
    ("sinks_too_deep", "RecursionError"),
    ("ends_its_group", "signal 9 (SIGKILL)"),
]
# what is noticed at the next look takes up to a quarter of a second more
LOOKED_AT = [
    ("eats_memory", "of memory, its limit is 256 MB"),
    ("eats_memory_by_children", "of memory, its limit is 256 MB"),
    ("eats_memory_files", "of memory, its limit is 256 MB"),
    ("forks", "processes and threads, its limit is 40"),
    ("fills_disk_unseen", "to its disk, its limit is 64 MB"),
    ("fills_disk", "to its disk, its limit is 64 MB"),
]


@pytest.mark.parametrize(("animal", "says"), COSTLY)
async def test_it_costs_its_own_input_only(keeper: Keeper, animal: str, says: str) -> None:
    timeout = SHORT if says == LATE else LONG
    before, bad, after = await keeper.ask(animal, b"good", b"bad", b"good", timeout=timeout)

    assert ["fine", "fine"] == [before, after]
    assert says in bad


@pytest.mark.parametrize(("animal", "says"), LOOKED_AT)
async def test_a_limit_that_is_looked_at(keeper: Keeper, animal: str, says: str) -> None:
    before, bad, after = await keeper.ask(animal, b"good", b"bad", b"good", timeout=20)

    assert ["fine", "fine"] == [before, after]
    assert says in bad


async def test_more_outputs_than_allowed(keeper: Keeper) -> None:
    roomy = Hardware(memory_bytes=4 << 30)
    before, bad, after = await keeper.ask("returns_too_much", b"good", b"bad", b"good", hardware=roomy, timeout=5)

    assert ["fine", "fine"] == [before, after]
    assert f"its outputs are {2 << 30} bytes together, the limit is {SETTINGS.output} bytes" == bad
    assert 1 == keeper.starts


async def test_an_error_that_cannot_be_printed(keeper: Keeper) -> None:
    surrogate, odd, good = await keeper.ask("returns_nonsense", b"surrogate", b"odd", b"good")

    assert "ValueError: half a character: ?" == surrogate
    assert odd.startswith("odd.Odd") or "Odd" in odd
    assert "fine" == good
    assert 1 == keeper.starts


async def test_a_hundred_megabytes_of_prints_are_cut(keeper: Keeper) -> None:
    assert ["fine"] == await keeper.ask("chatters", b"bad", timeout=20)

    [path] = keeper.logs
    assert log.tail(path).endswith("x\nthe last words\n")
    assert path.stat().st_size <= log.HALF
    assert sum(file.stat().st_size for file in path.parent.iterdir()) <= 2 * log.HALF


def test_the_tail_of_a_log_reaches_over_the_turn_of_its_files(tmp_path) -> None:
    path = tmp_path / "one.log"
    with log.Log(path) as written:
        written.write(b"a" * (log.HALF - 1))
        written.write(b"\nthe last words\n")

    assert log.tail(path).endswith("a\nthe last words\n")
    assert len("\nthe last words\n") == path.stat().st_size
    assert 4_000 == len(log.tail(path))


async def test_a_fork_that_comes_back_does_not_answer_twice(keeper: Keeper) -> None:
    async with keeper.engine("comes_back_twice") as (_, frames):
        await frames.ready(10)
        for _ in range(3):
            given = await answers(frames, [Question({"input.txt": b"bad"})] * 2)
            assert ["fine", "fine"] == [text(answer) for answer in given]


async def test_nothing_outlives_its_replica(keeper: Keeper) -> None:
    assert ["fine", "fine"] == await keeper.ask("leaves_a_child", b"bad", b"good")

    async with asyncio.timeout(5):
        while pids_with("headrace-stray"):
            await asyncio.sleep(0.01)


async def test_a_replica_leaves_no_folder(keeper: Keeper) -> None:
    await keeper.ask("fills_disk", b"good")

    assert [] == list((keeper.data / "replicas").iterdir())


async def test_who_ends_the_process_above_it_ends_too(plain: Keeper) -> None:
    before, bad, after = await plain.ask("ends_its_parent", b"good", b"bad", b"good")

    assert ["fine", "fine"] == [before, after]
    assert "signal 9" in bad


async def test_in_the_sandbox_there_is_nobody_to_end(sandboxed: Keeper) -> None:
    before, bad, after = await sandboxed.ask("ends_its_parent", b"good", b"bad", b"good", timeout=SHORT)

    assert ["fine", "fine"] == [before, after]
    assert LATE in bad


async def test_in_the_sandbox_who_ends_everybody_ends_alone(sandboxed: Keeper) -> None:
    before, bad, after = await sandboxed.ask("ends_everything", b"good", b"bad", b"good", timeout=SHORT)

    assert ["fine", "fine"] == [before, after]
    assert "fine" != bad


async def test_in_the_sandbox_shared_memory_is_disk(sandboxed: Keeper) -> None:
    before, bad, after = await sandboxed.ask("fills_shared_memory", b"good", b"bad", b"good", timeout=20)

    assert ["fine", "fine"] == [before, after]
    assert "to its disk, its limit is 64 MB" in bad


@pytest.mark.parametrize(
    ("animal", "says"),
    [
        ("fails_to_load", "the model could not be loaded: FileNotFoundError: weights.bin is not there"),
        ("dies_while_loading", "the model ended while it was being loaded"),
        ("eats_memory_while_loading", "the model ended while it was being loaded"),
        ("has_no_class", "has_no_class.py has no class Model"),
        ("has_no_predict", "the class has neither predict(inputs) nor predict_batch(batch)"),
        ("is_not_there", "FileNotFoundError"),
        ("raises:Other", "raises.py has no class Other"),
    ],
)
async def test_a_model_that_cannot_be_loaded(keeper: Keeper, animal: str, says: str) -> None:
    with pytest.raises(ModelFailed) as failed:
        async with keeper.engine(animal) as (_, frames):
            await frames.ready(10)

    assert says in failed.value.message


async def test_the_ending_names_the_limit_that_was_hit_while_loading(keeper: Keeper) -> None:
    with pytest.raises(ModelFailed):
        async with keeper.engine("eats_memory_while_loading") as (_, frames):
            await frames.ready(10)

    assert "of memory, its limit is 256 MB" in keeper.endings[0].sentence


async def test_a_model_that_is_never_ready(keeper: Keeper) -> None:
    with pytest.raises(LimitReached) as failed:
        async with keeper.engine("never_loads") as (_, frames):
            await frames.ready(0.3)

    assert "the model was not ready within 0.3 s (timeout.status)" == failed.value.message
    assert 15 == keeper.endings[0].signal


@pytest.mark.parametrize(
    ("text_of_one", "says"), [(b"exit", "it exited with code 4"), (b"hang", "did not answer within")]
)
async def test_who_kills_a_batch_is_found(keeper: Keeper, text_of_one: bytes, says: str) -> None:
    said = await keeper.ask("batches", *[b"good"] * 3, text_of_one, *[b"good"] * 2, timeout=0.3)

    assert says in said[3]
    assert all("true" in one or "together" in one for index, one in enumerate(said) if index != 3)


async def test_a_batch_that_raises_is_asked_one_by_one(keeper: Keeper) -> None:
    said = await keeper.ask("batches", b"good", b"raise", b"good")

    assert "ValueError: this one" == said[1]
    assert ["alone" in said[0], "alone" in said[2]] == [True, True]
    assert 1 == keeper.starts


async def test_a_batch_may_fail_for_one_input_only(keeper: Keeper) -> None:
    said = await keeper.ask("batches", b"good", b"error", b"short")
    again = await keeper.ask("batches", b"good", b"error")

    assert ["alone" in one for one in said] == [True, True, True]
    assert "ValueError: said for this one only" == again[1]
    assert "together" in again[0]


async def test_after_a_lost_answer_nobody_is_asked(keeper: Keeper) -> None:
    async with keeper.engine("raises") as (_, frames):
        await frames.ready(10)
        async for _ in frames.run([Question({"input.txt": b"good"})] * 2, 5):
            break
        with pytest.raises(ReplicaLost, match="can no longer be asked"):
            await answers(frames, [Question({"input.txt": b"good"})])
