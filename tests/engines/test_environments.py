"""Environments made by the real uv, from wheels that the tests make themselves: no package index is asked."""

import asyncio
import hashlib
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from engines.wheels import make_wheel

from headrace.domain.errors import Invalid, Unsupported
from headrace.runners.environments import Environments
from headrace.runners.uv import Uv
from headrace.settings import RunnerSettings


@pytest.fixture(autouse=True)
def _no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_NO_INDEX", "1")


@pytest.fixture(scope="session")
def uv(tmp_path_factory) -> str:
    """The uv of this machine; where there is none, what the product itself does: it is fetched, once."""
    try:
        return asyncio.run(Uv("", tmp_path_factory.mktemp("tools")).path())
    except Unsupported:
        if os.environ.get("HEADRACE_TEST_ALL") == "1":
            pytest.fail("pip install uv")
        pytest.skip("pip install uv")


@pytest.fixture
def environments(tmp_path, uv) -> Environments:
    return Environments(tmp_path / "data", RunnerSettings(uv=uv))


def model(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return folder


def said(python: Path, program: str) -> str:
    return subprocess.run([python, "-I", "-c", program], capture_output=True, check=True, text=True).stdout.strip()


def nothing(_: int) -> None:
    return


async def test_without_needs_there_is_a_bare_environment_and_no_uv_is_asked(tmp_path) -> None:
    environments = Environments(tmp_path / "data", RunnerSettings(uv="/not/there"))

    python = await environments.prepare(model(tmp_path), nothing)

    assert str(python.parent.parent) == said(python, "import sys; print(sys.prefix)")
    assert tmp_path / "data" / "environments" == python.parent.parent.parent


async def test_packages_are_installed_and_compiled(tmp_path, environments) -> None:
    folder = model(tmp_path, requirements_txt="# ours\nalpha>=1.0 \\\n    # more\nbeta ; python_version > '3'\n")
    inside = {f"deep/{where}__init__.py": "" for where in ("", "tests/")}
    make_wheel(folder / "wheels", "alpha", files=inside)
    make_wheel(folder / "wheels", "beta")
    told: list[int] = []

    python = await environments.prepare(folder, told.append)

    assert "alpha 1.0 beta 1.0" == said(python, "import alpha, beta; print(alpha.VALUE, beta.VALUE)")
    compiled = {file.parent.parent.name for file in python.parent.parent.glob("lib/**/__pycache__/*.pyc")}
    assert {"site-packages", "deep"} == compiled  # what packages test themselves with stays source
    assert sorted(told) == told
    assert [10, 30, 70, 80, 95, 100] == told


async def test_the_same_needs_share_one_environment(tmp_path, environments) -> None:
    folder = model(tmp_path, requirements_txt="alpha")
    make_wheel(folder / "wheels", "alpha")

    async with asyncio.TaskGroup() as group:
        made = [group.create_task(environments.prepare(folder, nothing)) for _ in range(4)]

    assert 1 == len({task.result() for task in made})
    assert 1 == len(list((tmp_path / "data" / "environments").iterdir()))


async def test_a_package_runs_nothing_while_it_is_installed(tmp_path, environments) -> None:
    folder = model(tmp_path, requirements_txt="gamma")
    trace = tmp_path / "trace"
    make_wheel(
        folder / "wheels", "gamma", files={"gamma.pth": f"import pathlib; pathlib.Path({str(trace)!r}).touch()\n"}
    )

    await environments.prepare(folder, nothing)

    assert not trace.exists()


LOCK = 'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "alpha"\nversion = "1.0"\n'


async def test_a_lock_is_taken(tmp_path, environments) -> None:
    folder = model(tmp_path)
    wheel = make_wheel(folder / "wheels", "alpha").name
    (folder / "pylock.toml").write_text(
        f'{LOCK}wheels = [{{ name = "{wheel}", path = "wheels/{wheel}", hashes = {{}} }}]'
    )

    assert "alpha 1.0" == said(await environments.prepare(folder, nothing), "import alpha; print(alpha.VALUE)")


@pytest.mark.parametrize(
    "source",
    [
        'vcs = { type = "git", url = "https://somewhere/" }',
        'directory = { path = "/root" }',
        'archive = { url = "https://somewhere/a.zip" }',
        'wheels = [{ name = "a.whl", path = "/root/a.whl", hashes = {} }]',
        'wheels = [{ name = "a.whl", path = "../a.whl", hashes = {} }]',
        'wheels = [{ name = "a.whl", path = "wheels/../../a.whl", hashes = {} }]',
        'wheels = [{ name = "a.whl", url = "https://somewhere/a.whl", hashes = { sha256 = "0 -r /etc/passwd" } }]',
        "marker = \"python_version > '3'\\n-r /etc/passwd\"",
        "wheels = 3\n[",
    ],
)
async def test_a_lock_leads_nowhere_else(tmp_path, source: str) -> None:
    environments = Environments(tmp_path / "data", RunnerSettings(uv="/not/there"))

    with pytest.raises(Invalid, match="pylock"):
        await environments.prepare(model(tmp_path, pylock_toml=LOCK + source), nothing)


async def test_the_wheels_of_a_lock_come_from_the_index_alone(tmp_path, environments) -> None:
    """Whatever address the lock names; and only the wheel that it means."""
    folder = model(tmp_path)
    wheel = make_wheel(folder / "wheels", "alpha")
    good, marker = hashlib.sha256(wheel.read_bytes()).hexdigest(), "marker = \"sys_platform != 'none'\"\n"
    elsewhere = 'wheels = [{ name = "a.whl", url = "http://127.0.0.1:9/a.whl", hashes = { sha256 = "%s" } }]'

    (folder / "pylock.toml").write_text(LOCK + marker + elsewhere % good)
    assert "alpha 1.0" == said(await environments.prepare(folder, nothing), "import alpha; print(alpha.VALUE)")
    (folder / "pylock.toml").write_text(LOCK + elsewhere % ("0" * 64))
    with pytest.raises(Invalid, match=r"[Hh]ash"):
        await environments.prepare(folder, nothing)


@pytest.fixture
async def locked(tmp_path, uv, monkeypatch) -> Path:
    """A model folder with a uv.lock of its one package."""
    folder = model(tmp_path, pyproject_toml='[project]\nname = "m"\nversion = "1"\ndependencies = ["alpha"]\n')
    make_wheel(folder / "wheels", "alpha")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder / "wheels"))
    await asyncio.to_thread(subprocess.run, [uv, "lock", "-q"], cwd=folder, check=True)
    monkeypatch.delenv("UV_FIND_LINKS")
    return folder


async def test_a_lock_of_uv_is_taken(locked, environments) -> None:
    assert "alpha 1.0" == said(await environments.prepare(locked, nothing), "import alpha; print(alpha.VALUE)")


async def test_a_lock_of_uv_stands_alone(tmp_path, locked, environments) -> None:
    """Whatever stands above the folder, and whatever else is in it."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "all"\nversion = "1"\n[tool.uv.workspace]\nmembers = ["model"]\n'
    )
    (tmp_path / "uv.lock").write_text("this is not read")
    (locked / ".python-version").write_text("2.7")
    with (locked / "pyproject.toml").open("a") as project:
        project.write('[tool.uv.sources]\nalpha = { path = ".." }\n[[tool.uv.index]]\nurl = "http://127.0.0.1:9/"\n')

    assert "alpha 1.0" == said(await environments.prepare(locked, nothing), "import alpha; print(alpha.VALUE)")


@pytest.mark.parametrize("more", ["-r {}", "--requirements {}", "--index-url file://{}", "-e {}"])
async def test_a_lock_of_uv_adds_no_lines(tmp_path, locked, environments, more: str) -> None:
    """A text in a marker may have quotes and several lines, which uv writes as they are."""
    make_wheel(locked / "wheels", "beta")
    (tmp_path / "others.txt").write_text("beta\n")
    line = more.format(tmp_path / "others.txt")
    marker = json.dumps(f'os_name != "x\'\n{line}\n#"')
    text = (locked / "uv.lock").read_text()
    marked = text.replace('{ name = "alpha" }', f'{{ name = "alpha", marker = {marker} }}', 1)
    assert marked != text
    (locked / "uv.lock").write_text(marked)

    with pytest.raises(Invalid, match=r"uv\.lock: .* is an option; only packages may stand here"):
        await environments.prepare(locked, nothing)


@pytest.mark.parametrize(
    "source",
    [
        '{ git = "https://somewhere/" }',
        '{ directory = "/root" }',
        '{ editable = "../x" }',
        '{ virtual = "../x" }',
        '{ url = "https://somewhere/a.whl" }',
        '{ path = "../a.whl" }',
        '{ registry = "https://somewhere/", git = "https://somewhere/" }',
    ],
)
@pytest.mark.parametrize("before", ["", "packages = []\n"])
async def test_a_lock_of_uv_leads_nowhere_else(tmp_path, source: str, before: str) -> None:
    environments = Environments(tmp_path / "data", RunnerSettings(uv="/not/there"))
    lock = f'version = 1\n{before}[[package]]\nname = "alpha"\nversion = "1.0"\nsource = {source}\n'

    with pytest.raises(Invalid, match=r"'alpha' comes from .* not from an index: put a wheel of it into wheels/, name"):
        await environments.prepare(model(tmp_path, pyproject_toml="", uv_lock=lock), nothing)


@pytest.mark.parametrize(
    ("project", "lock", "says"),
    [
        (
            '[tool.uv.workspace]\nmembers = ["../../*"]\n',
            "",
            r"pyproject\.toml: \[tool\.uv\.workspace\] is not allowed",
        ),
        ("", '[manifest]\nmembers = ["m", "n"]\n', r"uv\.lock: it is the lock of a workspace"),
    ],
)
async def test_a_project_of_other_projects_is_not_read(tmp_path, project: str, lock: str, says: str) -> None:
    environments = Environments(tmp_path / "data", RunnerSettings(uv="/not/there"))
    folder = model(
        tmp_path, pyproject_toml=f'[project]\nname = "m"\nversion = "1"\n{project}', uv_lock=f"version = 1\n{lock}"
    )

    with pytest.raises(Invalid, match=rf"{says}: a model's folder is one project. Give its packages as pylock\.toml"):
        await environments.prepare(folder, nothing)


async def test_the_packages_of_a_workspace_are_given_as_the_error_says(tmp_path, uv, environments, monkeypatch) -> None:
    project = '[project]\nname = "m"\nversion = "1"\ndependencies = ["alpha"]\n'
    folder = model(tmp_path, pyproject_toml=project + '[tool.uv.workspace]\nmembers = ["n"]\n')
    (folder / "n").mkdir()
    (folder / "n" / "pyproject.toml").write_text('[project]\nname = "n"\nversion = "1"\n')
    make_wheel(folder / "wheels", "alpha")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder / "wheels"))
    await asyncio.to_thread(subprocess.run, [uv, "lock", "-q"], cwd=folder, check=True)
    with pytest.raises(Invalid) as refused:
        await environments.prepare(folder, nothing)
    command = refused.value.message.rpartition("first: uv ")[2].replace("NAME", "m").split()
    await asyncio.to_thread(subprocess.run, [uv, *command, "-q"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    monkeypatch.delenv("UV_FIND_LINKS")

    assert "alpha 1.0" == said(await environments.prepare(folder, nothing), "import alpha; print(alpha.VALUE)")


async def test_a_package_that_is_not_there(tmp_path, environments) -> None:
    with pytest.raises(Invalid, match=r"cannot be made.*not-to-be-found"):
        await environments.prepare(model(tmp_path, requirements_txt="not-to-be-found==1"), nothing)

    assert [] == list((tmp_path / "data" / "environments").iterdir())


async def test_a_package_that_would_have_to_be_built(tmp_path, environments) -> None:
    folder = model(tmp_path, requirements_txt="delta")
    (folder / "wheels").mkdir()
    source = tmp_path / "delta-1.0"
    source.mkdir()
    trace = tmp_path / "trace"
    (source / "setup.py").write_text(f"open({str(trace)!r}, 'w')")
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: delta\nVersion: 1.0\n")
    with tarfile.open(folder / "wheels" / "delta-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, "delta-1.0")

    with pytest.raises(Invalid, match=r"name a version that has wheels for Python 3\.\d+, or put such a wheel into"):
        await environments.prepare(folder, nothing)

    assert not trace.exists()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--index-url https://somewhere/", "line 2: '--index-url https://somewhere/' is an option"),
        ("-r /etc/passwd", "is an option"),
        ("-e .", "is an option"),
        ("git+https://somewhere/thing", "is not a package"),
        ("https://somewhere/thing.whl", "is not a package"),
        ("thing @ https://somewhere/thing.whl", "is not a package"),
        ("thing @ file:///root/thing.whl", "is not a package"),
        ("thing @ /root/thing.whl", "names an address"),
        ("/root/thing.whl", "is not a package"),
        ("../thing", "is not a package"),
        ("inside/thing.whl", "names a path"),
        ("file:thing", "is not a package"),
    ],
)
async def test_a_requirement_leads_nowhere_else(tmp_path, line: str, says: str) -> None:
    environments = Environments(tmp_path / "data", RunnerSettings(uv="/not/there"))

    with pytest.raises(Invalid) as refused:
        await environments.prepare(model(tmp_path, requirements_txt=f"numpy==2.1.0\n{line}\n"), nothing)

    assert says in refused.value.message


@pytest.mark.parametrize("ending", ["\n", "\r", "\\\n", " \\\r\n", "\u2028"])
@pytest.mark.parametrize("before", ["# a comment", "alpha # a comment", "alpha"])
async def test_no_comment_leads_uv_to_a_file_of_the_server(tmp_path, environments, before: str, ending: str) -> None:
    (tmp_path / "secret").write_text("database = postgresql://us:hunter2@here\n")
    folder = model(tmp_path)
    make_wheel(folder / "wheels", "alpha")
    (folder / "requirements.txt").write_bytes(f"alpha\n{before}{ending}-r {tmp_path / 'secret'}\n".encode())

    heard = ""
    try:
        await environments.prepare(folder, nothing)
    except Invalid as refused:
        heard = refused.message

    assert "hunter2" not in heard
    assert heard == "" or heard.startswith("requirements.txt, line ")


async def test_a_wheel_of_another_content_than_its_hash_says_is_not_taken(tmp_path, environments) -> None:
    folder = model(tmp_path, requirements_txt=f"alpha==1.0 \\\n  --hash=sha256:{'0' * 64}\n")
    wheel = make_wheel(folder / "wheels", "alpha")
    with pytest.raises(Invalid, match=r"[Hh]ash"):
        await environments.prepare(folder, nothing)

    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    folder = model(tmp_path, requirements_txt=f"alpha==1.0 \\\n  --hash=sha256:{digest}\n")
    assert "1.0" == said(await environments.prepare(folder, nothing), "import alpha; print(alpha.VALUE)").split()[-1]


async def test_what_takes_too_long_is_no_fault_of_the_disk(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("headrace.runners.uv.LONGEST", 0.01)
    with pytest.raises(Invalid, match=r"python.* took longer than 0\.01 s"):
        await Environments(tmp_path / "data", RunnerSettings(uv="/not/there")).prepare(model(tmp_path), nothing)


async def test_an_unknown_uv_is_told(tmp_path) -> None:
    environments = Environments(tmp_path / "data", RunnerSettings(uv="/not/there"))

    with pytest.raises(Unsupported, match=r"runners\.uv is '/not/there'"):
        await environments.prepare(model(tmp_path, requirements_txt="alpha"), nothing)
