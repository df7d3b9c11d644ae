"""An environment for each set of packages that models ask for: made once by uv, whole or not at all, and kept."""

import asyncio
import hashlib
import os
import secrets
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from headrace import faults
from headrace.domain.errors import Invalid, StorageFailed
from headrace.runners.needs import NOTHING, Besides, Needs, exported, read_needs
from headrace.runners.uv import Uv, index_variables, run
from headrace.settings import RunnerSettings

# what uv says when it has done a part of its work, and how far it is then, in percent
SAID = {"Resolved": 30, "Prepared": 70, "Installed": 80}
# beside numpy, by module, where they can be had: without them only speed is lost
QUICKER = {"orjson": "orjson==3.13.0", "simdjson": "pysimdjson==7.0.2"}
OWN_TESTS = r"/site-packages/.+/tests/"  # of packages: often half of their files, and no model imports them
NO_WHEEL = ("building", "no-build", "no usable wheels")  # uv says one of them
BUILT = (
    "A package without a wheel would have to be built here, which is not done: name a version that has wheels for "
    f"Python {sys.version_info[0]}.{sys.version_info[1]}, or put such a wheel into wheels/"
)


class Environments:
    """`data`/environments/<digest>; those under way have a name of their own and are removed at the next start."""

    def __init__(self, data: Path, settings: RunnerSettings) -> None:
        self._root, self._cache = data.absolute() / "environments", data.absolute() / "cache" / "uv"
        self._uv = Uv(settings.uv, data.absolute() / "tools")
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in self._root.glob(".*"):
            shutil.rmtree(left_over, ignore_errors=True)

    async def prepare(self, folder: Path, report: Callable[[int], None], besides: Besides = NOTHING) -> Path:
        """The interpreter of the environment for this model folder. `report` is told percentages.

        Raises Invalid (with the last words of uv), Unsupported when there is no uv, StorageFailed.
        """
        needs = await asyncio.to_thread(read_needs, folder, besides)
        target = self._root / self._digest(needs)
        async with self._making[target.name]:
            if not target.exists():
                await self._make(needs, target, report)
        report(100)
        return target / "bin" / "python"

    def _digest(self, needs: Needs) -> str:
        said = (needs.kind, needs.digest, sys.version, sys.base_prefix)
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:40]

    async def _make(self, needs: Needs, target: Path, report: Callable[[int], None]) -> None:
        scratch = self._root / f".{secrets.token_hex(8)}"
        try:
            scratch.mkdir(mode=0o700)
            new = scratch / "environment"
            await run([sys.executable, "-I", "-m", "venv", "--without-pip", str(new)], scratch)
            await asyncio.to_thread(_relocatable, new)
            faults.point("environment.made")
            report(10)
            if needs.project or needs.packages:
                await self._install(needs, new, report)
            await asyncio.to_thread(_settle, new, target)
        except OSError as error:
            raise StorageFailed(
                f"the environment could not be stored: {error.strerror}", technical=str(error)
            ) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)

    async def _install(self, needs: Needs, new: Path, report: Callable[[int], None]) -> None:
        uv, scratch = await self._uv.path(), new.parent
        variables = {"UV_CACHE_DIR": str(self._cache), **index_variables()}

        def told(line: str) -> None:
            if percentage := SAID.get(line.partition(" ")[0]):
                report(percentage)

        try:
            file = await _written(uv, needs, scratch, variables)
            links = ("--find-links", str(needs.wheels)) if needs.wheels else ()
            where = ("--python", str(new / "bin" / "python"), "--no-python-downloads")
            install = [uv, "pip", "install", *where, "--no-build", "--no-progress", *links]
            await run([*install, "--requirements", str(file)], scratch, variables=variables, told=told)
            for module, package in QUICKER.items() if _has(new, "numpy") else ():
                if not _has(new, module):
                    more = (uv, "pip", "install", *where, "--no-build", "--no-progress", *links, package)
                    with suppress(Invalid):
                        await run(more, scratch, variables=variables)
        except Invalid as error:
            hint = f". {BUILT}" if any(word in error.message for word in NO_WHEEL) else ""
            raise Invalid(f"the environment of this model cannot be made: {error.message}{hint}") from error
        # not uv's own --compile-bytecode: that starts the new environment, and with it what packages hide in .pth files
        compile_all = [sys.executable, "-I", "-S", "-m", "compileall", "-q", "-j", "0", "-x", OWN_TESTS]
        with suppress(Invalid):  # a file that is not meant for this Python is no reason to fail
            await run([*compile_all, str(new / "lib")], scratch)
        report(95)


async def _written(uv: str, needs: Needs, scratch: Path, variables: Mapping[str, str]) -> Path:
    """The file that uv installs from. Raises Invalid."""
    file, packages = scratch / "requirements.txt", needs.packages
    if needs.project:
        packages = await _exported(uv, needs.project, scratch, variables)
    await asyncio.to_thread(file.write_text, "".join(f"{package}\n" for package in packages))
    return file


async def _exported(
    uv: str, project: Mapping[str, bytes], scratch: Path, variables: Mapping[str, str]
) -> tuple[str, ...]:
    """In a folder where nothing else is: uv looks around it, and above it for a workspace."""
    folder, file = scratch / "project", scratch / "exported.txt"
    folder.mkdir()
    for name, content in project.items():
        await asyncio.to_thread((folder / name).write_bytes, content)
    what = ("--frozen", "--no-emit-project", "--no-dev", "--no-header", "--no-annotate", "--output-file", str(file))
    quiet = ("--no-config", "--no-python-downloads")
    await run((uv, "export", "--project", str(folder), *what, *quiet), scratch, variables=variables)
    return exported(await asyncio.to_thread(file.read_text, "utf-8"))


def _has(environment: Path, module: str) -> bool:
    return any(environment.glob(f"lib/python*/site-packages/{module}"))


def _relocatable(environment: Path) -> None:
    """So uv writes scripts that find their interpreter beside them, wherever the folder is moved."""
    with (environment / "pyvenv.cfg").open("a") as file:
        file.write("relocatable = true\n")


def _settle(new: Path, target: Path) -> None:
    """On disk before it has its name."""
    os.sync()
    faults.synced()
    faults.point("environment.rename.before")
    new.rename(target)
    faults.point("environment.rename.after")
    os.sync()  # its name too: a version is about to rely on it
    faults.synced()
