"""uv: where it is, and how it is run. With nothing of our environment but what leads to a package index."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from headrace.domain.errors import Invalid, Unsupported

LONGEST = 3_600.0  # seconds for one command
KEPT = 40  # lines of what was said
LINE = 64 * 1024  # bytes
PASSED = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "LANG", "LC_ALL")
PASSED_ANY_CASE = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
OF_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
}


class Uv:
    """`named`: the setting. Fetched once into `tools`, with the running interpreter, where there is none."""

    def __init__(self, named: str, tools: Path) -> None:
        self._named, self._tools = named, tools
        self._fetching = asyncio.Lock()

    async def path(self) -> str:
        """Raises Unsupported."""
        if self._named:
            if found := shutil.which(self._named):
                return found
            raise Unsupported(f"runners.uv is {self._named!r}, and there is no program that can be run")
        if found := self._found():
            return found
        async with self._fetching:
            return self._found() or await self._fetch()

    def _found(self) -> str | None:
        for folder in (Path(sys.executable).parent, None, self._tools / "uv" / "bin"):
            if found := shutil.which("uv", path=str(folder) if folder else None):
                return found
        return None

    async def _fetch(self) -> str:
        advice = "install uv (pip install uv), or name it in runners.uv"
        self._tools.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            await run([sys.executable, "-I", "-m", "venv", str(self._tools / "uv")], self._tools)
            pip = str(self._tools / "uv" / "bin" / "python")
            await run(
                [pip, "-I", "-m", "pip", "install", "--only-binary=:all:", "uv"], self._tools, variables=pip_variables()
            )
        except Invalid as error:
            shutil.rmtree(self._tools / "uv", ignore_errors=True)
            raise Unsupported(f"uv is needed for this model's packages and could not be fetched: {advice}") from error
        found = self._found()
        if found is None:
            raise Unsupported(f"uv is needed for this model's packages and is not here: {advice}")
        return found


def pip_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


def index_variables() -> dict[str, str]:
    """How uv finds the package index: its own variables, else those of pip."""
    variables = {ours: os.environ[theirs] for theirs, ours in OF_PIP.items() if theirs in os.environ}
    return variables | {name: value for name, value in os.environ.items() if name.startswith("UV_")}


async def run(
    command: Sequence[str],
    scratch: Path,
    *,
    variables: Mapping[str, str] | None = None,
    told: Callable[[str], None] | None = None,
) -> list[str]:
    """Run to the end; `told` gets each line. Returns the last lines. Raises Invalid with them when it fails."""
    lines: list[str] = []
    name = Path(command[0]).name
    async with _started(command, scratch, variables or {}) as process:
        try:
            async with asyncio.timeout(LONGEST):
                async for line in _lines(process):
                    lines = [*lines[1 - KEPT :], line]
                    if told is not None:
                        told(line)
                code = await process.wait()
        except TimeoutError:
            raise Invalid(f"{name} took longer than {LONGEST:g} s") from None
    if code:
        raise Invalid(" ".join(lines)[-2_000:] or f"{name} ended with code {code}")
    return lines


@asynccontextmanager
async def _started(
    command: Sequence[str], scratch: Path, variables: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=scratch,
        env=_environment(scratch, variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=LINE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    if process.stdout is not None:
        async for line in process.stdout:
            if text := line.decode(errors="replace").strip():
                yield text


def _environment(scratch: Path, variables: Mapping[str, str]) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    proxies = {name: value for name, value in os.environ.items() if name.upper() in PASSED_ANY_CASE}
    return {**passed, **proxies, **variables, "HOME": str(scratch), "TMPDIR": str(scratch), "NO_COLOR": "1"}
