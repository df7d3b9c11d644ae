"""The disk that a power cut empties: what it keeps, what it forgets, and how it breaks."""

import errno
import os
import random
import stat

import pytest

from headrace.torture.volatile import BLOCK, VolatileDisk, Weather

FILE, FOLDER = stat.S_IFREG | 0o600, stat.S_IFDIR | 0o700


@pytest.fixture
def disk():
    return VolatileDisk()


def file(disk, path, content=b"", *, synced=False, named=False):
    node = disk.make(path, FILE)
    if content:
        disk.write(node, content, 0)
    if synced:
        disk.sync(node)
    if named:
        disk.sync(disk.find(path.rpartition("/")[0] or "/"))
    return node


def content(disk, path):
    node = disk.find(path)
    return disk.read(node, 1 << 20, 0)


def gone(disk, path):
    with pytest.raises(FileNotFoundError):
        disk.find(path)
    return True


def test_only_what_was_fsynced_survives(disk):
    node = file(disk, "/a", b"safe", synced=True, named=True)
    disk.write(node, b"lost", 4)
    assert b"safelost" == content(disk, "/a")

    disk.cut(0.0, 1)

    assert b"safe" == content(disk, "/a")


def test_a_name_needs_an_fsync_of_its_folder(disk):
    file(disk, "/a", b"content", synced=True)

    disk.cut(0.0, 1)

    assert gone(disk, "/a")


def test_a_name_may_be_safe_and_its_content_not(disk):
    file(disk, "/a", b"content", named=True)

    disk.cut(0.0, 1)

    assert b"" == content(disk, "/a")


def test_a_rename_without_an_fsync_is_undone(disk):
    file(disk, "/a", b"old", synced=True, named=True)
    file(disk, "/b", b"new", synced=True, named=True)
    disk.rename("/b", "/a")

    disk.cut(0.0, 1)

    assert (b"old", b"new") == (content(disk, "/a"), content(disk, "/b"))


def test_a_rename_between_folders_is_kept_as_a_whole(disk):
    for folder in ("/one", "/two"):
        disk.make(folder, FOLDER)
    disk.sync(disk.root)
    file(disk, "/one/a", b"x", synced=True, named=True)
    disk.rename("/one/a", "/two/a")
    disk.sync(disk.find("/two"))

    disk.cut(0.0, 1)

    assert gone(disk, "/one/a")
    assert b"x" == content(disk, "/two/a")


def test_a_removed_file_comes_back_until_its_folder_is_fsynced(disk):
    file(disk, "/a", b"x", synced=True, named=True)
    disk.remove("/a")
    disk.cut(0.0, 1)
    assert b"x" == content(disk, "/a")

    disk.remove("/a")
    disk.sync(disk.root)
    disk.cut(0.0, 2)
    assert gone(disk, "/a")


def test_sync_keeps_everything(disk):
    disk.make("/folder", FOLDER)
    file(disk, "/folder/a", b"x")
    disk.sync_all()

    disk.cut(0.0, 1)

    assert b"x" == content(disk, "/folder/a")


def test_what_survives_by_chance_is_drawn_by_the_seed():
    def after(seed):
        disk = VolatileDisk()
        node = file(disk, "/a", b"o" * 20 * BLOCK, synced=True, named=True)
        disk.write(node, b"n" * 20 * BLOCK, 0)
        disk.cut(0.5, seed)
        return content(disk, "/a")

    assert after(7) == after(7)
    found = {after(seed) for seed in range(20)}
    assert 1 < len(found)
    assert all(len(one) == 20 * BLOCK and set(one) <= set(b"on") for one in found)


def test_what_was_safe_is_safe_whatever_survives():
    for seed in range(50):
        disk, dice = VolatileDisk(), random.Random(seed)
        safe = {}
        for number in range(10):
            path = f"/{number}"
            body = dice.randbytes(dice.randrange(3 * BLOCK))
            kept = dice.random() < 0.5
            file(disk, path, body, synced=kept, named=kept)
            if kept:
                safe[path] = body
        disk.cut(dice.random(), seed)
        for path, body in safe.items():
            assert body == content(disk, path)


def test_a_failed_fsync_loses_what_it_should_have_kept(disk):
    """As on Linux: the next one succeeds, and writes nothing of it."""
    node = file(disk, "/a", b"x" * 10, named=True)
    disk.weather = Weather(failing_syncs=1.0)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        disk.sync(node)
    disk.weather = Weather()
    disk.sync(node)
    assert b"x" * 10 == content(disk, "/a")

    disk.cut(0.0, 1)

    assert b"x" * 10 != content(disk, "/a")


def test_a_full_disk_takes_a_part_and_then_nothing(disk):
    node = file(disk, "/a", b"x" * 90)
    disk.weather = Weather(room=100)

    assert 10 == disk.write(node, b"y" * 20, 90)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        disk.write(node, b"y", 100)
    disk.remove("/a")
    assert 50 == disk.write(file(disk, "/b"), b"z" * 50, 0)


def test_a_read_only_disk_gives_and_takes_nothing(disk):
    node = file(disk, "/a", b"x")
    disk.weather = Weather(read_only=True)

    assert b"x" == content(disk, "/a")
    for change in (lambda: disk.write(node, b"y", 0), lambda: disk.make("/b", FILE), lambda: disk.remove("/a")):
        with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
            change()
