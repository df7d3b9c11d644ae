"""Our store of images: what it gives back, what it removes, and what a restart finds."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from registry import skopeo
from rooms.images.container_images import Made, digest, entry, small, tarred, written

from headrace.domain.errors import NotFound, StorageFailed
from headrace.images.oci import ready
from headrace.images.oci.store import Store
from headrace.settings import ImageSettings

LONG_AGO = time.time() - 3_600


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def store(data):
    return Store(data, ImageSettings())


async def brought(store, tmp_path, made=None, name="x"):
    async with store.bringing() as hold:
        image, _ = await store.take_archive(
            written(tmp_path / name, (made or small()).oci()), name, hold, lambda _: None
        )
    return image.digest


def other(content=b"other"):
    return Made([tarred(entry("f", content))])


def parts(data):
    return {path.name for path in (data / "images/blobs/sha256").iterdir()}


def made_of(data):
    return sorted(path.name for kind in ("archives", "roots") for path in (data / "images" / kind).iterdir())


def used_long_ago(data):
    for note in (data / "images").glob("*/*.ready"):
        os.utime(note, (LONG_AGO, LONG_AGO))


@pytest.mark.parametrize("packing", ["", "gzip", "zstd"])
async def test_one_tar_for_everyone(store, tmp_path, packing):
    made = small(packing=packing)
    image = await brought(store, tmp_path, made)
    tar = await store.archive(image)
    for form in ("docker-archive", "oci-archive"):
        back = tmp_path / f"{form}.tar"
        skopeo("copy", f"{form}:{tar}", f"oci-archive:{back}:back")
        other_store = Store(tmp_path / form, ImageSettings())
        async with other_store.bringing() as hold:
            found, _ = await other_store.take_archive(back, "x", hold, lambda _: None)
        assert [digest(layer) for layer in made.layers] == found.config.rootfs.diff_ids
    assert image in skopeo("inspect", f"oci-archive:{tar}")
    again = Store(tmp_path / "again", ImageSettings())
    assert image == (await brought_back(again, tar))
    assert tar.read_bytes() == (await again.archive(image)).read_bytes()


async def brought_back(store, tar):
    async with store.bringing() as hold:
        found, name = await store.take_archive(tar, "x", hold, lambda _: None)
    assert name.startswith("headrace/")
    return found.digest


async def test_it_is_an_oci_layout(store, data, tmp_path):
    image = await brought(store, tmp_path)
    assert image in skopeo("inspect", f"oci:{data / 'images'}:x")


async def test_a_restart_finds_everything_again(store, data, tmp_path):
    image = await brought(store, tmp_path)
    root, config = await store.rootfs(image)
    (data / "images/tmp/left-over").mkdir()
    again = Store(data, ImageSettings())
    assert (root, config) == await again.rootfs(image)
    assert config == again.config(image)
    assert [] == list((data / "images/tmp").iterdir())


async def test_what_was_made_before_a_power_cut_is_made_again(store, data, tmp_path, monkeypatch):
    image = await brought(store, tmp_path)
    root, _ = await store.rootfs(image)
    (root / "usr/bin/ls").write_bytes(b"")  # as unsynced files are afterwards
    (tmp_path / "boot").write_text("another boot")
    monkeypatch.setattr(ready, "BOOT", tmp_path / "boot")
    later = Store(data, ImageSettings())
    again, _ = await later.rootfs(image)
    assert b"ls" == (again / "usr/bin/ls").read_bytes()
    (tmp_path / "boot").write_text("yet another boot")
    await Store(data, ImageSettings()).make_room({image}, {image})
    assert [] == [name for name in made_of(data) if not name.endswith(".ready")]


async def test_it_is_made_once(store, tmp_path):
    image = await brought(store, tmp_path)
    first, *rest = await asyncio.gather(*(store.rootfs(image) for _ in range(5)))
    assert [first] * 4 == rest


async def test_what_is_not_there(store, data, tmp_path):
    with pytest.raises(NotFound, match="bring it in again"):
        await store.rootfs(digest(b"x"))
    image = await brought(store, tmp_path)
    (data / "images/blobs/sha256" / image[7:]).write_bytes(b"{}")
    with pytest.raises(StorageFailed, match="changed on disk"):
        store.config(image)
    with pytest.raises(NotFound):
        Store(data, ImageSettings()).image(image)


async def test_a_layer_that_changed_on_disk_makes_no_root(store, data, tmp_path):
    image = await brought(store, tmp_path)
    layer = data / "images/blobs/sha256" / store.image(image).manifest.layers[1].digest[7:]
    layer.write_bytes(layer.read_bytes().replace(b"ls", b"ln"))
    with pytest.raises(Exception, match=r"another|damaged"):
        await store.rootfs(image)
    assert [] == made_of(data)


async def test_what_nobody_names_goes(store, data, tmp_path):
    kept, gone = await brought(store, tmp_path), await brought(store, tmp_path, other())
    await store.rootfs(gone)
    assert await store.make_room({kept}, {kept})
    assert [] == made_of(data)
    assert 4 == len(parts(data))
    with pytest.raises(NotFound):
        store.image(gone)
    assert store.image(kept).digest == kept


async def test_layers_that_two_share_stay(store, tmp_path):
    shared = tarred(entry("base", b"x"))
    kept = await brought(store, tmp_path, Made([shared, tarred(entry("a", b"x"))]))
    await brought(store, tmp_path, Made([shared, tarred(entry("b", b"x"))]))
    await store.make_room({kept}, {kept})
    assert (await store.rootfs(kept))[0].joinpath("base").is_file()


async def test_what_is_being_brought_in_stays(store, data):
    made = other()
    manifest = store.blobs.write(made.manifest())
    async with store.bringing() as hold:
        hold.keep([manifest])
        await store.make_room(set(), set())
        assert {manifest[7:]} == parts(data)
    await store.make_room(set(), set())
    assert set() == parts(data)


async def test_the_budget(data, tmp_path):
    store = Store(data, ImageSettings(budget=200_000))
    image = await brought(store, tmp_path, other(bytes(100_000)))
    await store.archive(image)
    assert not await store.make_room({image}, {image})
    assert 2 == len(made_of(data)), "what somebody may be about to open stays"
    used_long_ago(data)
    assert await store.make_room({image}, {image})
    assert [] == made_of(data)
    assert await store.make_room({image}, {image}, 50_000)
    assert not await store.make_room({image}, {image}, 100_000)


async def test_what_was_made_of_images_that_do_not_run_goes(store, data, tmp_path):
    image = await brought(store, tmp_path)
    await store.rootfs(image)
    used_long_ago(data)
    await store.make_room({image}, set())
    assert [] == made_of(data)
    assert (await store.rootfs(image))[0].is_dir()


async def test_parts_of_abandoned_downloads(store):
    old, new = (Path(store.blobs.partial(digest(name)).path) for name in (b"old", b"new"))
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    await store.make_room(set(), set())
    assert [new.name] == [path.name for path in store.blobs.partials()]
