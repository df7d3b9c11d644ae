"""The disk is full: nothing new is taken, reading goes on, work pauses, and all goes on when there is room."""

import asyncio
import os
import subprocess

import pytest
from rooms.jobs.house import ANN, job_house

from headrace.domain.errors import StorageFailed
from headrace.domain.job import JobInput, NewJob
from headrace.domain.source import SourceKind
from headrace.jobs.history_rows import HistoryQuery
from headrace.storage.disk import is_full
from headrace.storage.space import Space

SIZE = 32 << 20
INPUTS = 400


def _mounts():
    """Whether a file system of a known size can be made here: in some containers not even root may."""
    if os.geteuid() != 0:
        return False
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return tried.returncode == 0


if not _mounts():
    pytest.skip("nobody may mount a tmpfs here", allow_module_level=True)


@pytest.fixture
def disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk):
    """Leaves nothing; returns the file to remove."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            while True:
                try:
                    if file.write(bytes(size)) < size:
                        break
                except OSError:
                    break
    return filler


def job(house, inputs):
    found = tuple(JobInput(f"i{n}", {"input.txt": b"%d" % n}) for n in range(inputs))
    return NewJob(house.key, SourceKind.TEXT, found)


async def until(condition):
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_a_full_disk_pauses_the_work_and_loses_nothing(disk):
    gate = asyncio.Event()

    async def model(bodies):
        await gate.wait()
        return bodies["input.txt"] + b" " + os.urandom(10_000).hex().encode()

    async with job_house(disk) as house:
        space = Space(disk, ballast=64 << 20, floor=128 << 20)
        object.__setattr__(house.room, "space", space)
        looking = asyncio.ensure_future(space.run())
        house.replica(model)
        under_way = await house.submit.submit(ANN, job(house, INPUTS))
        assert (disk / "ballast").stat().st_size == SIZE // 16

        filler = fill(disk)
        with pytest.raises(StorageFailed, match="nothing new is taken") as refused:
            await house.submit.submit(ANN, job(house, 1))
        assert is_full(refused.value)
        await until(lambda: _gone(disk / "ballast"))
        gate.set()
        await until(lambda: _has_results(house, under_way))  # in the place of the ballast
        await asyncio.sleep(1.5)  # and when that is full too, the rest waits: 8 MB of results do not fit into 2 MB
        paused = await house.history.job(ANN, under_way.id)
        assert 0 < paused.completed < INPUTS
        assert not paused.over
        assert [under_way.id] == [one.id for one in await house.history.find(ANN, HistoryQuery())]

        filler.unlink()
        await until(lambda: _over(house, under_way))
        await _check_results(house, under_way)
        await until(lambda: _is_there(disk / "ballast"))
        assert (await house.submit.submit(ANN, job(house, 1))).total == 1
        looking.cancel()


async def test_below_the_floor_nothing_new_is_taken(disk):
    space = Space(disk, ballast=0, floor=2 << 20)
    space.check()
    with (disk / "other").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, SIZE - (1 << 20))
    with pytest.raises(StorageFailed, match=r"storage\.floor"):
        space.check()
    (disk / "other").unlink()
    space.check()


async def _check_results(house, job):
    ended, results = await house.history.job(ANN, job.id), await house.results(job)
    assert (INPUTS, 0, INPUTS) == (ended.completed, ended.failed, len(results))
    assert all(one.outputs["results.json"].body.startswith(name[1:].encode()) for name, one in results.items())


async def _gone(path):
    return not path.exists()


async def _is_there(path):
    return path.exists()


async def _over(house, job):
    return (await house.history.job(ANN, job.id)).over


async def _has_results(house, job):
    return (await house.history.job(ANN, job.id)).completed > 0


@pytest.mark.parametrize(("free", "seconds"), [(0, 1.0), (1 << 30, 1.0), (30 << 30, 5.0), (1 << 40, 10.0)])
async def test_the_more_room_the_seldomer_a_look(tmp_path, monkeypatch, free, seconds):
    space = Space(tmp_path, ballast=0, floor=0)
    monkeypatch.setattr(space, "_free", lambda: free)
    space.look()

    assert seconds == space._pause()  # noqa: SLF001


async def test_a_disk_that_cannot_be_asked_is_asked_again_soon(tmp_path, monkeypatch):
    def gone():
        raise OSError

    space = Space(tmp_path, ballast=0, floor=0)
    monkeypatch.setattr(space, "_free", gone)
    space.look()

    assert 1.0 == space._pause()  # noqa: SLF001
