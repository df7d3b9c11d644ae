"""image: built the same twice, judged by skopeo, pushed and looked at; and started as it lies."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from registry import PASSWORD, USER, Certificates, registry, skopeo
from rooms.images.container_images import Made, entry, small, tarred, written
from typer.testing import CliRunner

from headrace.cli.main import app
from headrace.images.build.closure import python_name

TRUSTED = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}  # Python before 3.11.4 knows no filters
MODEL = """
class Model:
    def predict(self, inputs):
        return {"results.json": {"length": len(inputs["input.txt"])}}
"""
ABOUT = """\
name: Praise
version: 1.2.0
summary: Tells whether a text praises.
inputs:
  input.txt: {acceptedMediaTypes: text/plain}
environment: {THRESHOLD: "0.5"}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "praise"
    (folder / "weights").mkdir(parents=True)
    (folder / "model.py").write_text(MODEL)
    (folder / "model.yaml").write_text(ABOUT)
    (folder / "weights/w").write_bytes(b"w")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/old.pyc").write_bytes(b"old")
    return folder


@pytest.fixture(scope="module")
def built(model, tmp_path_factory):
    """The file, and the digest that was told."""
    tar = tmp_path_factory.mktemp("built") / "one.tar"
    cache = str(tmp_path_factory.getbasetemp() / "cache")
    arguments = ["image", "build", str(model), "-o", str(tar), "--json"]
    ended = CliRunner().invoke(app, arguments, env={"XDG_CACHE_HOME": cache, "COLUMNS": "120"})
    assert ended.exit_code == 0, ended.stderr
    return tar, json.loads(ended.stdout)["digest"]


def names(tar):
    with tarfile.open(tar) as archive:
        layers = [name for name in archive.getnames() if name.startswith("blobs/")]
        found = []
        for layer in layers:
            content = archive.extractfile(layer)
            try:
                with tarfile.open(fileobj=content) as inner:
                    found += inner.getnames()
            except tarfile.ReadError:
                continue
    return found


def test_the_same_folder_makes_the_same_bytes(plain, built, model, tmp_path):
    tar, digest = built
    again = tmp_path / "elsewhere/praise"
    shutil.copytree(model, again)
    for path in (*again.rglob("*"), again):
        os.utime(path, (1, 1))
    ended = plain("image", "build", str(again), "-o", str(tmp_path / "two.tar"), "--json")
    assert digest == ended.json()["digest"]
    assert tar.read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_what_is_in_it(plain, built):
    tar, digest = built
    for form in ("docker-archive", "oci-archive"):
        assert "amd64" in skopeo("inspect", f"{form}:{tar}") or os.uname().machine != "x86_64"
    assert digest == json.loads(skopeo("inspect", f"oci-archive:{tar}"))["Digest"]
    inside = names(tar)
    tag = python_name().replace("python", "cpython-").replace(".", "")
    for name in (
        "headrace/model/model.py",
        "headrace/model/weights/w",
        f"headrace/model/__pycache__/model.{tag}.pyc",
        f"usr/local/lib/{python_name()}/__pycache__/os.{tag}.pyc",
        "etc/passwd",
    ):
        assert name in inside, name  # fmt: skip
    assert not [name for name in inside if "old.pyc" in name or "test_" in name or ".." in name]
    told = plain("image", "inspect", str(tar), "--json").json()
    assert ("65534:65534", [8080], "praise:latest") == (told["user"], told["ports"], told["name"])
    assert ("modzy-http", ABOUT) == (told["labels"]["io.headrace.contract"], told["labels"]["io.headrace.model"])
    assert ("0.5", "8080") == (told["environment"]["THRESHOLD"], told["environment"]["PSC_MODEL_PORT"])


def test_pushed_with_a_password_over_tls(plain, built, tmp_path, monkeypatch):
    tar, digest = built
    certificates = Certificates(tmp_path)
    with registry(tmp_path / "r", password=True, certificates=certificates) as closed:
        target = f"{closed.host}/models/praise:1"
        ca = ("--ca", str(certificates.authority))
        refused = plain("image", "push", str(tar), target, *ca)
        assert (1, True) == (refused.code, "wants a username" in refused.err)
        unknown = plain("image", "push", str(tar), target, *ca, "--username", USER)
        assert (2, True) == (unknown.code, "HEADRACE_REGISTRY_PASSWORD" in unknown.err)
        monkeypatch.setenv("HEADRACE_REGISTRY_PASSWORD", PASSWORD)
        pushed = plain("image", "push", str(tar), target, *ca, "--username", USER, "--json")
        assert digest == pushed.json()["digest"], pushed.err
        told = plain("image", "inspect", target, *ca, "--username", USER, "--json").json()
        assert digest == told["digest"]
        assert PASSWORD not in pushed.out + pushed.err + refused.err


def test_built_and_pushed_at_once(plain, model, tmp_path):
    with registry(tmp_path / "r") as there:
        target = f"{there.host}/models/praise:1"
        ended = plain("image", "build", str(model), "--push", target, "--plain-http", "--json")
        assert 0 == ended.code, ended.err
        found = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{target}"))
        assert ended.json()["digest"] == found["Digest"]


def test_on_a_base(plain, model, tmp_path):
    python = tarred(entry(f"usr/local/bin/{python_name()}", b"#!", mode=0o755))
    base = written(tmp_path / "base.tar", Made([python], config={"Env": ["BASE=1"]}).docker())
    ended = plain("image", "build", str(model), "--base", str(base), "-o", str(tmp_path / "x.tar"))
    assert 0 == ended.code, ended.err
    told = plain("image", "inspect", str(tmp_path / "x.tar"), "--json").json()
    assert (f"/usr/local/bin/{python_name()}", "1") == (told["entrypoint"][0], told["environment"]["BASE"])
    assert 2 == len(told["layers"])
    without = written(tmp_path / "without.tar", small().docker())
    ended = plain("image", "build", str(model), "--base", str(without), "-o", str(tmp_path / "y.tar"))
    assert (1, True) == (ended.code, f"has no {python_name()}" in ended.err)


def test_what_cannot_be_built(plain, tmp_path):
    (tmp_path / "empty").mkdir()
    assert 2 == plain("image", "build", str(tmp_path / "empty"), "-o", str(tmp_path / "x.tar")).code
    (tmp_path / "empty/model.py").write_text(MODEL)
    assert 2 == plain("image", "build", str(tmp_path / "empty")).code
    missing = plain("image", "push", str(tmp_path / "nothing.tar"), "127.0.0.1:1/x:1")
    assert (2, True) == (missing.code, "is not a file" in missing.err)
    nonsense = plain("image", "inspect", "No Such Image")
    assert (1, True) == (nonsense.code, "does not name an image" in nonsense.err)


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not here: apt-get install bubblewrap")
def test_it_starts_from_nothing_but_itself(plain, built, tmp_path):
    """Its Python, its libraries and its model, and nothing of this machine."""
    tar, _ = built
    root = tmp_path / "root"
    with tarfile.open(tar) as archive:
        saved = json.load(archive.extractfile("manifest.json"))
        for layer in saved[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as inner:
                inner.extractall(root, **TRUSTED)
    told = plain("image", "inspect", str(tar), "--json").json()
    code = "import ssl, sqlite3, ctypes, json, sys, os; print(json.dumps([sys.version_info[:2], os.getuid()]))"
    done = subprocess.run(
        ["bwrap", "--unshare-all", "--uid", "65534", "--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev",
         "--tmpfs", "/tmp", "--clearenv", "--", told["entrypoint"][0], "-I", "-c", code],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    assert [[int(part) for part in python_name()[6:].split(".")], 65534] == json.loads(done.stdout)
    assert not Path(root, "usr/local/bin", python_name()).is_symlink()
