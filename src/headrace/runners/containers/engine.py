"""One engine, docker or podman, as far as models need it. Here, and only here, stands where the two differ.

podman 4.3: `update` is missing and OOMKilled is never true (neither is used, or believed); what was loaded is told by
its identifier and not by its tag (so everything is tagged again); requests for GPUs are accepted and ignored (so they
are refused before). docker: refuses GPUs that it cannot give with status 500. Health checks of engines are not used.
aiodocker is an extra: it is loaded when the first image is run.
"""

import asyncio
import importlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.domain.errors import ModelFailed, Unavailable, Unsupported
from headrace.runners.containers.plain import Address
from headrace.runners.containers.refusals import refusal

MISSING = "images are run by way of aiodocker, which is not installed: pip install 'headrace[containers]'"
SECONDS = 60.0  # for one answer of the engine
LOADING = 1_800.0  # for one image
PIECE = 1 << 20
NEAR = frozenset({"localhost", "127.0.0.1", "::1"})
OURS, REPLICA, VERSION = "io.headrace.installation", "io.headrace.replica", "io.headrace.version"
GONE = frozenset({404, 409})
UNREACHABLE = 900  # what aiodocker says for an engine that cannot be reached


@dataclass(frozen=True, slots=True)
class Started:
    """`pid`: of the container's first process as the engine's machine counts; `ports`: where they are published."""

    pid: int
    ports: Mapping[int, int]


class Engine:
    def __init__(self, docker: Any, address: Address, name: str, version: str) -> None:
        self._docker, self.address, self.name, self.version = docker, address, name, version

    @classmethod
    async def open(cls, url: str) -> "Engine":
        """Raises Unsupported (no aiodocker, not this machine's), Unavailable (nobody answers)."""
        try:
            library = await asyncio.to_thread(importlib.import_module, "aiodocker")
        except ImportError as error:
            raise Unsupported(MISSING) from error
        place = _place(url)
        docker = library.Docker(url)
        try:
            with _answering(url):
                async with asyncio.timeout(SECONDS):
                    about = await docker.version()
        except BaseException:
            await docker.close()
            raise
        parts = {str(part.get("Name", "")): str(part.get("Version", "")) for part in about.get("Components") or ()}
        podman = parts.get("Podman Engine")
        address = Address(f"/{docker.api_version}", *place)
        if podman is not None:
            return cls(docker, address, "podman", podman)
        return cls(docker, address, "docker", str(about.get("Version", "")))

    def __str__(self) -> str:
        return f"{self.name} {self.version} at {self.address}"

    async def close(self) -> None:
        await self._docker.close()

    async def alive(self) -> bool:
        with suppress(Unavailable):
            async with self._call():
                await self._docker.version()
            return True
        return False

    async def has(self, tag: str) -> bool:
        with suppress(_Missing):
            async with self._call():
                await self._docker.images.inspect(tag)
            return True
        return False

    async def load(self, archive: Path, tag: str, report: Callable[[int], None]) -> None:
        """`report` is told percentages. Raises Unavailable, ModelFailed when the engine does not take the image."""
        size = max(1, (await asyncio.to_thread(archive.stat)).st_size)

        async def pieces() -> AsyncIterator[bytes]:
            sent = 0
            with open(archive, "rb") as file:  # noqa: ASYNC230, PTH123 - read in threads
                while piece := await asyncio.to_thread(file.read, PIECE):
                    yield piece
                    sent += len(piece)
                    report(min(99, sent * 100 // size))

        async with self._call(LOADING):
            said = await self._docker.images.import_image(pieces())
            name = _loaded(said)
            if not name:
                raise ModelFailed(f"{self.name} did not say what it has loaded", technical=repr(said)[:1000])
            repository, _, label = tag.rpartition(":")
            await self._docker.images.tag(name, repo=repository, tag=label)
        report(100)

    async def tags(self, repository: str) -> list[str]:
        async with self._call():
            images = await self._docker.images.list()
        return [tag for image in images for tag in image.get("RepoTags") or () if tag.startswith(f"{repository}:")]

    async def forget(self, tag: str) -> None:
        """The image itself goes with its last name, unless a container uses it."""
        with suppress(_Missing):
            async with self._call():
                await self._docker.images.delete(tag)

    async def create(self, name: str, body: Mapping[str, Any]) -> str:
        """The container's identifier. Raises as `start`."""
        async with self._call():
            made = await self._docker.containers.create(dict(body), name=name)
        return str(made.id)

    async def start(self, container: str) -> Started:
        """Raises ModelFailed (the image's command), Unsupported (hardware), Unavailable."""
        async with self._call():
            held = self._docker.containers.container(container)
            await held.start()
            said = await held.show()
        ports = {}
        for inside, outside in ((said.get("NetworkSettings") or {}).get("Ports") or {}).items():
            if outside and inside.endswith("/tcp"):
                ports[int(inside.partition("/")[0])] = int(outside[0]["HostPort"])
        return Started(int((said.get("State") or {}).get("Pid") or 0), ports)

    async def signal(self, container: str, name: str) -> None:
        with suppress(_Missing):
            async with self._call():
                await self._docker.containers.container(container).kill(signal=name)

    async def remove(self, container: str) -> None:
        """Killed where it still runs. What is gone already is fine. Raises Unavailable."""
        with suppress(_Missing):
            async with self._call():
                await self._docker.containers.container(container).delete(force=True, v=True)

    async def of(self, installation: str) -> list[str]:
        """Containers of this installation, those that have ended too."""
        wanted = json.dumps({"label": [f"{OURS}={installation}"]})
        async with self._call():
            return [str(one.id) for one in await self._docker.containers.list(all=True, filters=wanted)]

    @asynccontextmanager
    async def _call(self, seconds: float = SECONDS) -> AsyncIterator[None]:
        with _answering(str(self)):
            async with asyncio.timeout(seconds):
                yield


class _Missing(Exception):
    """The engine knows no such thing, or it is in no state for this."""


@contextmanager
def _answering(engine: str) -> Iterator[None]:
    aiodocker, aiohttp = importlib.import_module("aiodocker"), importlib.import_module("aiohttp")
    try:
        yield
    except aiodocker.DockerError as error:
        raise _in_our_words(engine, int(error.status), str(error.message or "")) from None
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unavailable(f"the container engine {engine} does not answer", technical=repr(error)) from None


def _in_our_words(engine: str, status: int, said: str) -> Exception:
    if status in GONE:
        return _Missing(said)
    if status == UNREACHABLE:
        return Unavailable(f"the container engine {engine} does not answer", technical=said)
    return refusal(engine, status, said)


def _place(url: str) -> tuple[str, str, int]:
    """Path, host and port. Raises Unsupported for what is not this machine's: folders are shared with containers."""
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return parts.path, "", 0
    if parts.scheme in {"tcp", "http"} and parts.hostname in NEAR and parts.port:
        return "", str(parts.hostname), parts.port
    raise Unsupported(f"{url} is not a container engine of this machine: name one like unix:///run/podman/podman.sock")


def _loaded(said: Any) -> str:
    """The name in the last "Loaded image: …", an identifier or a tag."""
    found = ""
    for line in said if isinstance(said, list) else [said]:
        text = line.get("stream", "") if isinstance(line, dict) else ""
        for word in ("Loaded image ID: ", "Loaded image: "):
            if word in text:
                found = text.partition(word)[2].split(",")[0].strip()
    return found
