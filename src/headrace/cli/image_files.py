"""Images in files and in registries, from the command line: read, pushed, looked at."""

import asyncio
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.cli.failure import ExitCode, Failure
from headrace.cli.output import size
from headrace.images.build.image import Built
from headrace.images.oci import documents, tarball
from headrace.images.oci.documents import Config, Manifest
from headrace.images.registry import client, pull
from headrace.images.registry.addresses import Allowed, of_people
from headrace.images.registry.auth import Credentials
from headrace.images.registry.push import File, Outgoing
from headrace.images.registry.push import push as push_image
from headrace.images.registry.reference import Reference, parse
from headrace.settings import ImageSettings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Way:
    """To a registry."""

    credentials: Credentials | None
    plain: bool
    authorities: str

    def rules(self, reference: Reference) -> Allowed:
        return of_people(reference.host, plain=self.plain)


async def push_built(built: Built, text: str, way: Way, say: Say) -> str:
    """Raises what a registry raises."""
    parts = [one for one in built.files if one != built.digest]
    files = [File(built.files[digest], digest, built.files[digest].stat().st_size) for digest in parts]
    return await _push(Outgoing(built.document, documents.OCI_MANIFEST, files), text, way, say)


async def push_file(file: Path, text: str, way: Way, say: Say) -> str:
    """Raises Invalid and its kin too, and Failure for a file that is not there."""
    with tempfile.TemporaryDirectory(prefix="headrace-image-") as scratch:
        found = await asyncio.to_thread(read_file, file, Path(scratch))
        files = [File(part.path, part.digest, part.size) for part in found.parts]
        kind = found.manifest.media_type or documents.OCI_MANIFEST
        return await _push(Outgoing(found.document, kind, files), text, way, say)


async def inspect(text: str, way: Way) -> dict[str, Any]:
    """What is told of an image, by the names of the answer."""
    if is_file(text):
        with tempfile.TemporaryDirectory(prefix="headrace-image-") as scratch:
            found = await asyncio.to_thread(read_file, Path(text), Path(scratch))
            part = next(one for one in found.parts if one.digest == found.manifest.config.digest)
            return _told(found.name or text, found.digest, found.manifest, documents.config(part.path.read_bytes()))
    reference = parse(text)
    async with client.connected(reference, way.credentials, way.rules(reference), way.authorities) as registry:
        digest, _, manifest = await pull.resolve(registry, reference)
        url = registry.url(f"blobs/{manifest.config.digest}")
        async with registry.asked("GET", url) as answer:
            config = documents.config(await client.read(answer, documents.LARGEST))
    return _told(str(reference), digest, manifest, config)


def is_file(text: str) -> bool:
    """Or else it is the name of an image in a registry."""
    return Path(text).is_file()


def read_file(file: Path, scratch: Path) -> tarball.Found:
    """Blocking. Raises Failure, Invalid and its kin."""
    if not file.is_file():
        raise Failure(f"{file} is not a file", ExitCode.USAGE)
    return tarball.read(file, scratch, ImageSettings(), threading.Event())


async def _push(image: Outgoing, text: str, way: Way, say: Say) -> str:
    reference = parse(text)
    whole, sent = sum(file.size for file in image.files), 0

    def report(count: int) -> None:
        nonlocal sent
        sent += count
        say(f"pushed {size(sent)} of {size(whole)}")

    rules = way.rules(reference)
    async with client.connected(reference, way.credentials, rules, way.authorities, "pull,push") as registry:
        return await push_image(registry, reference, image, report)


def _told(name: str, digest: str, manifest: Manifest, config: Config) -> dict[str, Any]:
    wanted = documents.started_by(config.config)
    return {
        "name": name,
        "digest": digest,
        "platform": f"{config.os}/{config.architecture}",
        "size": manifest.size,
        "layers": [layer.digest for layer in manifest.layers],
        "entrypoint": list(wanted.entrypoint),
        "command": list(wanted.command),
        "user": wanted.user,
        "ports": list(wanted.ports),
        "environment": dict(wanted.environment),
        "labels": dict(wanted.labels),
    }
