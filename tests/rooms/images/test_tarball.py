"""Uploaded images: docker-archives and OCI archives in all their forms, and the ways in which one may lie."""

import bz2
import gzip
import json
import lzma

import pytest
import zstandard
from registry import skopeo
from rooms.images.container_images import DEVICE, HARD, PIPE, Made, digest, entry, small, tarred, written

from headrace.domain.errors import Invalid, TooLarge, Unsupported
from headrace.images.archive import IsImage
from headrace.images.oci.store import Store
from headrace.images.shelf import Shelf
from headrace.settings import ImageSettings

SETTINGS = ImageSettings(unpacked=1 << 20, entries=100)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "data", SETTINGS)


async def taken(store, spool):
    async with store.bringing() as hold:
        return await store.take_archive(spool, "the file", hold, lambda _: None)


async def refusal(store, spool):
    with pytest.raises(Invalid) as refused:
        await taken(store, spool)
    assert [] == list((store._root / "tmp").iterdir())  # noqa: SLF001 - as above
    assert not {"\n", "\x1b"} & set(refused.value.message)
    return refused.value


@pytest.mark.parametrize("form", ["oci", "docker"])
@pytest.mark.parametrize("packing", ["", "gzip", "zstd"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, bz2.compress, lzma.compress])
async def test_every_form_is_the_same_image(store, tmp_path, form, packing, pack):
    made = small(packing=packing)
    image, name = await taken(store, written(tmp_path / "x", getattr(made, form)(), pack))

    root, config = await store.rootfs(image.digest)
    assert ["bin", "etc", "etc/passwd", "usr", "usr/bin", "usr/bin/ls", "usr/bin/sh"] == sorted(
        str(path.relative_to(root)) for path in root.rglob("*")
    )
    assert (("/bin/sh",), (8080,), (("A", "b=c"),)) == (config.entrypoint, config.ports, config.environment)
    assert ("acme/model:1" if form == "docker" else "the file") == name
    assert form == "docker" or digest(made.manifest()) == image.digest


async def test_an_upload_is_known_for_what_it_is(tmp_path):
    shelf = Shelf(tmp_path / "data", SETTINGS)
    for form in ("oci", "docker"):
        with pytest.raises(IsImage):
            await shelf.shelve_archive(written(tmp_path / form, getattr(small(), form)()))


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
async def test_what_skopeo_writes(store, tmp_path, form):
    """Layers behind symbolic links, folders with a name of their own, and what else older tools do."""
    source, target = written(tmp_path / "source.tar", small().docker()), tmp_path / "x.tar"
    skopeo("copy", f"docker-archive:{source}", f"{form}:{target}:acme/model:2")
    image, name = await taken(store, target)
    assert "acme/model:2" == name.removeprefix("docker.io/")
    assert (await store.rootfs(image.digest))[0].joinpath("usr/bin/ls").is_file()


async def test_layers_behind_links(store, tmp_path):
    members = small().docker()
    layer = members.pop("0/layer.tar")
    pairs = [entry("base/layer.tar", layer), entry("0/layer.tar", link="../base/layer.tar")]
    spool = written(tmp_path / "x", [entry(name, content) for name, content in members.items()] + pairs)
    assert 2 == len((await taken(store, spool))[0].layers)


async def test_an_index_with_several_platforms(store, tmp_path):
    ours, theirs = small(), small(platform={"architecture": "sparc64"})
    listed = [
        {"digest": digest(one.manifest()), "size": len(one.manifest()),
         "platform": {"os": "linux", "architecture": json.loads(one.parts()[0])["architecture"]}}
        for one in (theirs, ours)
    ]  # fmt: skip
    members = theirs.oci() | ours.oci(index={"manifests": listed})
    image, _ = await taken(store, written(tmp_path / "x", members))
    assert digest(ours.manifest()) == image.digest


async def test_lists_in_lists(store, tmp_path):
    made = small()
    document = made.manifest()
    members = made.oci()
    for depth in range(1, 8):
        listed = json.dumps({"manifests": [{"digest": digest(document), "size": len(document)}]}).encode()
        members[f"blobs/sha256/{digest(listed)[7:]}"] = members["index.json"] = document = listed
        if depth == 2:
            assert digest(made.manifest()) == (await taken(store, written(tmp_path / "x", members)))[0].digest
    assert "lists of images in lists" in (await refusal(store, written(tmp_path / "y", members))).message


def _blob(content):
    return f"blobs/sha256/{digest(content)[7:]}"


def _wrong(members, name, content):
    return members | {name: content}


MADE = small()
CONFIG, LAYERS = MADE.parts()
LYING = {
    "another machine": (small(platform={"architecture": "sparc64"}).oci(), "is for linux/sparc64, and this machine"),
    "another system": (small(platform={"os": "windows"}).docker(), "is for windows/"),
    "no machine": (small(platform={"architecture": ""}).oci(), "does not say for which machine"),
    "a layer with another content": (_wrong(MADE.oci(), _blob(LAYERS[0]), LAYERS[1]), "should have the digest"),
    "a configuration with another content": (_wrong(MADE.oci(), _blob(CONFIG), b"{}"), "should have the digest"),
    "a manifest with another content": (_wrong(MADE.oci(), _blob(MADE.manifest()), b"{}"), "should have the digest"),
    "a size that lies": (
        MADE.oci(manifest=MADE.manifest(config={"digest": digest(CONFIG), "size": 7})), "should have 7 bytes"),
    "a size below zero": (MADE.oci(manifest=MADE.manifest(config={"digest": digest(CONFIG), "size": -7})), "cannot be"),
    "a layer that is missing": (MADE.oci(drop={digest(LAYERS[0])}), "which is not in it"),
    "a configuration that is missing": (MADE.oci(drop={digest(CONFIG)}), "which is not in it"),
    "another algorithm": (MADE.oci(index={"manifests": [{"digest": "md5:00", "size": 1}]}), "not a digest"),
    "a digest that is a path": (
        MADE.oci(index={"manifests": [{"digest": "sha256:../../../../etc/passwd", "size": 1}]}), "not a digest"),
    "a wrong unpacked digest": (small(diff_ids=[digest(b"x")] * 2).oci(), "its content is another"),
    "too few unpacked digests": (small(diff_ids=[digest(b"x")]).oci(), "its configuration speaks of 1"),
    "a configuration that is no JSON": (MADE.docker(Config="0/layer.tar"), "not what it should be|larger than"),
    "two images": (MADE.oci(index={"manifests": [
        {"digest": digest(CONFIG), "size": len(CONFIG)}, {"digest": digest(LAYERS[0]), "size": 1}]}), "2 images"),
    "two images of docker": (
        MADE.docker() | {"manifest.json": json.dumps([{"Config": "a", "Layers": []}] * 2).encode()}, "2 images"),
    "no image of docker": (MADE.docker() | {"manifest.json": b"[]"}, "0 images"),
    "schema 1": (MADE.oci(manifest=b'{"schemaVersion":1,"fsLayers":[]}'), "schema 1"),
    "an image and a list": (MADE.oci(manifest=b'{"layers":[],"manifests":[]}'), "at once"),
    "a foreign layer": (MADE.oci(manifest=MADE.manifest(layers=[
        {"digest": digest(LAYERS[0]), "size": 1, "urls": ["https://x"], "mediaType": "x"}])), "outside of its"),
    "an encrypted layer": (MADE.oci(manifest=MADE.manifest(layers=[
        {"digest": digest(LAYERS[0]), "size": 1, "mediaType": "layer.v1.tar+gzip+encrypted"}])), "encrypted"),
    "a layer with a path": (MADE.docker(Layers=["../../etc/passwd"]), "which is not in it"),
    "a configuration under another name": (
        MADE.docker(Config="0" * 64 + ".json") | {"0" * 64 + ".json": CONFIG}, "not what its name says"),
    "an index that is no JSON": (MADE.oci() | {"index.json": b"["}, "not what it should be"),
    "a list that is no list": (MADE.oci() | {"index.json": b'{"manifests": 1}'}, "not what it should be"),
    "a manifest.json that is none": (MADE.docker() | {"manifest.json": b'{"a": 1}'}, "not what it should be"),
    "deep JSON": (MADE.oci() | {"index.json": b"[" * 100_000}, "not what it should be"),
    "no image at all": ({"blobs/sha256/x": b""}, "no container image"),
    "an environment that is none": (small(config={"Env": ["=x"]}).oci(), "no name=value"),
    "a layer that leads out": (Made([tarred(entry("../../evil", b"x"))]).oci(), "leads out"),
    "a layer that is no tar": (Made([b"no tar at all" * 100]).oci(), "damaged"),
    "too many layers": (MADE.docker(Layers=["0/layer.tar"] * 501), "more than 500"),
}  # fmt: skip


@pytest.mark.parametrize("name", LYING)
async def test_an_image_that_lies(store, tmp_path, name):
    members, says = LYING[name]
    refused = await refusal(store, written(tmp_path / "x", members))
    assert any(part in refused.message for part in says.split("|")), refused.message


ODD = {
    "up": ([entry("../evil", b"x")], "leads out"),
    "up in the middle": ([entry("a/../../evil", b"x")], "leads out"),
    "an absolute name": ([entry("/etc/evil", b"x")], "absolute path"),
    "a link that leads out": ([entry("a", link="../../etc/passwd")], "leads out"),
    "an absolute link": ([entry("a", link="/etc/passwd")], "absolute path"),
    "a hard link that leads out": ([entry("a", kind=HARD, link="../x")], "leads out"),
    "a device": ([entry("a", kind=DEVICE)], "is a device"),
    "a pipe": ([entry("a", kind=PIPE)], "is a pipe"),
    "twice": ([entry("a", b"x"), entry("a", b"y")], "there twice"),
    "twice in two spellings": ([entry("a", b"x"), entry("./b/../a", b"y")], "there twice"),
    "links in a circle": ([entry("index.json", link="b"), entry("b", link="index.json")], "circle"),
    "a long name": ([entry("x" * 2_000, b"x")], "no name of a file"),
}


@pytest.mark.parametrize("name", ODD)
async def test_odd_members(store, tmp_path, name):
    pairs, says = ODD[name]
    good = [entry(member, content) for member, content in small().oci().items() if member != "index.json"]
    assert says in (await refusal(store, written(tmp_path / "x", [*good, *pairs]))).message


async def test_bombs(store, tmp_path):
    zeros = Made([tarred(entry("zeros", bytes(4 << 20)))], packing="gzip")
    for number, made in enumerate((zeros, Made(zeros.layers, packing="zstd"))):
        refused = await refusal(store, written(tmp_path / str(number), made.oci()))
        assert isinstance(refused, TooLarge)
    assert isinstance(
        await refusal(store, written(tmp_path / "x", Made(zeros.layers).docker(), gzip.compress)), TooLarge
    )


async def test_a_layer_that_unpacks_beyond_all_reason(tmp_path):
    """Also where the limit is far away: 90 MB of zeros from 90 KB."""
    store = Store(tmp_path / "data", ImageSettings())
    bomb = Made([tarred(entry("zeros", bytes(90 << 20)))], packing="gzip")
    assert "a bomb" in (await refusal(store, written(tmp_path / "x", bomb.oci()))).message


async def test_too_many_files(store, tmp_path):
    many = Made([tarred(*(entry(str(number)) for number in range(200)))])
    assert "images.entries" in (await refusal(store, written(tmp_path / "x", many.oci()))).message
    members = small().oci() | {f"x{number}": b"" for number in range(10_001)}
    assert "more than 10000 files" in (await refusal(store, written(tmp_path / "y", members))).message


async def test_an_archive_that_is_cut_off(store, tmp_path):
    whole = written(tmp_path / "x", small(packing="gzip").oci()).read_bytes()
    for end in (600, 1_300, 2_000, len(whole) // 2):
        (tmp_path / "y").write_bytes(whole[:end])
        await refusal(store, tmp_path / "y")


async def test_a_zip_is_no_image(store, tmp_path):
    (tmp_path / "x").write_bytes(b"PK\x03\x04" + bytes(1_000))
    assert "docker save" in (await refusal(store, tmp_path / "x")).message
    (tmp_path / "y").write_bytes(b"Rar!" + bytes(1_000))
    assert isinstance(await refusal(store, tmp_path / "y"), Unsupported)
