"""Layers become a root folder; whatever they hold, nothing outside of it is touched."""

import os
import stat
import threading

import pytest
from rooms.images.container_images import DEVICE, FOLDER, HARD, PIPE, digest, entry, tarred

from headrace.domain.errors import Invalid, TooLarge
from headrace.images.oci.layer import Budget
from headrace.images.oci.rootfs import inside, unpack_layers


@pytest.fixture
def apply(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "kept").write_text("kept")

    def unpacked(*layers, budget=None):
        found = []
        for number, layer in enumerate(layers):
            path = tmp_path / str(number)
            path.write_bytes(layer)
            found.append((path, digest(layer)))
        try:
            unpack_layers(found, root, budget or Budget(1 << 20, 1_000), threading.Event())
        finally:
            assert ["kept"] == [path.name for path in outside.iterdir()]
            assert "kept" == (outside / "kept").read_text()
        return root

    unpacked.outside = outside
    return unpacked


def names(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_files_links_and_folders(apply):
    root = apply(
        tarred(
            entry("a", kind=FOLDER, mode=0o755), entry("a/x", b"1", mode=0o755), entry("y", kind=HARD, link="a/x"),
            entry("z", link="/a/x"), entry("deep/er/file", b"2"),
        )
    )  # fmt: skip
    assert ["a", "a/x", "deep", "deep/er", "deep/er/file", "y", "z"] == names(root)
    assert "/a/x" == str((root / "z").readlink())
    assert (root / "y").samefile(root / "a/x")


def test_nobody_gets_rights_by_a_file(apply):
    root = apply(tarred(entry("su", b"x", mode=0o6755), entry("d", kind=FOLDER, mode=0o3000), entry("n", b"", mode=0)))
    assert [0o755, 0o700, 0o400] == [stat.S_IMODE((root / name).stat().st_mode) for name in ("su", "d", "n")]
    assert {os.getuid()} == {path.lstat().st_uid for path in root.rglob("*")}


def test_devices_and_pipes_are_left_out(apply):
    root = apply(tarred(entry("dev/null", kind=DEVICE), entry("run/pipe", kind=PIPE), entry("a", b"x")))
    assert ["a"] == names(root)


def test_times_are_kept_for_compiled_files(apply):
    info, content = entry("m.py", b"x")
    info.mtime = 1_600_000_000
    assert 1_600_000_000 == (apply(tarred((info, content))) / "m.py").stat().st_mtime


def test_whiteouts(apply):
    below = tarred(entry("a/1", b"x"), entry("a/2", b"x"), entry("b/1", b"x"), entry("c", b"x"), entry("d/e/f", b"x"))
    above = tarred(
        entry("a/.wh.1"), entry("b/new", b"y"), entry("b/.wh..wh..opq"), entry(".wh.c"), entry("d/.wh.e"),
        entry(".wh..wh.plnk", b""), entry(".wh.never-there"),
    )  # fmt: skip
    assert ["a", "a/2", "b", "b/new", "d"] == names(apply(below, above))


def test_a_whiteout_spares_what_its_own_layer_brought(apply):
    below = tarred(entry("a/old", b"x"), entry("f", b"old"))
    above = tarred(entry("a/new", b"y"), entry(".wh.a"), entry("f", b"new"), entry(".wh.f"))
    root = apply(below, above)
    assert ["a", "a/new", "f"] == names(root)
    assert b"new" == (root / "f").read_bytes()


def test_a_folder_of_a_lower_layer_may_be_a_link_inside(apply):
    """As in Debian, where /bin is usr/bin."""
    below = tarred(entry("usr/bin/sh", b"x"), entry("bin", link="usr/bin"), entry("up", link="usr/../usr/bin"))
    assert "usr/bin/ls" in names(apply(below, tarred(entry("bin/ls", b"x"), entry("up/cat", b"x"))))


def test_one_thing_takes_the_place_of_another(apply):
    below = tarred(entry("a/b", b"x"), entry("c", b"x"), entry("d", link="a"), entry("e/f", b"x"))
    above = tarred(entry("a", b"file"), entry("c/d", b"x"), entry("d", kind=FOLDER), entry("e", link="c"))
    assert ["a", "c", "c/d", "d", "e"] == names(apply(below, above))


OUT = "{outside}"
ESCAPES = {
    "an absolute link": [[entry("d", link=OUT)], [entry("d/evil", b"x")]],
    "a link up": [[entry("d", link="../outside")], [entry("d/evil", b"x")]],
    "links in a chain": [[entry("a", link="b"), entry("b", link=OUT)], [entry("a/evil", b"x")]],
    "a link in the same layer": [[entry("d", link=OUT), entry("d/evil", b"x")]],
    "a link that was a folder": [[entry("d/x", b"x")], [entry("d", link=OUT), entry("d/evil", b"x")]],
    "a file onto a link": [[entry("f", link=f"{OUT}/kept")], [entry("f", b"evil")]],
    "a folder onto a link": [[entry("d", link=OUT)], [entry("d", kind=FOLDER, mode=0o777), entry("d/evil", b"x")]],
    "a whiteout behind a link": [[entry("d", link=OUT)], [entry("d/.wh.kept")]],
    "an opaque folder behind a link": [[entry("d", link=OUT)], [entry("d/.wh..wh..opq")]],
    "a whiteout of a link": [[entry("d", link=OUT)], [entry(".wh.d")]],
    "a hard link behind a link": [[entry("d", link=OUT), entry("x", b"y")], [entry("d/evil", kind=HARD, link="x")]],
    "an absolute name": [[entry("/evil", b"x")]],
}


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_leads_out(apply, name):
    layers = []
    for layer in ESCAPES[name]:
        for info, _ in layer:
            info.linkname = info.linkname.replace(OUT, str(apply.outside))
        layers.append(tarred(*layer))
    root = apply(*layers)
    assert not [path for path in root.rglob("*") if path.is_symlink() and path.name == "evil"]


REFUSED = {
    "up": ([entry("../evil", b"x")], "leads out"),
    "up inside": ([entry("a/../../evil", b"x")], "leads out"),
    "a hard link up": ([entry("x", kind=HARD, link="../../etc/passwd")], "leads out"),
    "a hard link to nothing": ([entry("x", kind=HARD, link="etc/passwd")], "which is no file here"),
    "a hard link to a folder": ([entry("d", kind=FOLDER), entry("x", kind=HARD, link="d")], "which is no file here"),
    "a hard link to itself": ([entry("x", b""), entry("x", kind=HARD, link="x")], "which is no file here"),
    "links in a circle": ([entry("a", link="b"), entry("b", link="a"), entry("a/x", b"")], "in a circle"),
    "a root that is a file": ([entry(".", b"x")], "replaces the root folder"),
    "a name that is too long": ([entry("x" * 256, b"")], "longer than 255"),
    "too deep": ([entry("a/" * 120 + "x", b"")], "in more than 100 folders"),
    "an odd kind": ([entry("x", kind=b"Z")], "neither a file"),
    "a sparse file": ([entry("x", kind=b"S")], "sparse|damaged"),
    "a whiteout of nothing": ([entry("a/.wh...", b"")], "marks nothing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(apply, name):
    entries, says = REFUSED[name]
    with pytest.raises(Invalid, match=says):
        apply(tarred(*entries))


def test_a_hard_link_to_a_link_that_leads_out_does_not_follow_it(apply):
    root = apply(tarred(entry("l", link=str(apply.outside / "kept")), entry("x", kind=HARD, link="l")))
    assert (root / "x").is_symlink()


def test_limits(apply):
    with pytest.raises(TooLarge, match=r"images\.unpacked"):
        apply(tarred(entry("a", bytes(600_000))), tarred(entry("b", bytes(600_000))))
    with pytest.raises(TooLarge, match=r"images\.entries"):
        apply(tarred(*(entry(str(number)) for number in range(40))), budget=Budget(1 << 20, 30))


def test_a_damaged_layer(apply, tmp_path):
    whole = tarred(entry("a", bytes(5_000)))
    with pytest.raises(Invalid, match="damaged"):
        apply(whole[:3_000])
    path = tmp_path / "x"
    path.write_bytes(whole)
    with pytest.raises(Invalid, match="its digest is another"):
        unpack_layers([(path, digest(b""))], tmp_path / "root", Budget(1 << 20, 10), threading.Event())


def test_inside(apply):
    root = apply(tarred(entry("etc/passwd", b"x"), entry("l", link="/etc"), entry("o", link="../../../etc/passwd")))
    for path in ("/etc/passwd", "l/passwd", "o", "../../etc/passwd"):
        assert root / "etc/passwd" == inside(root, path)
