"""A model folder read, its environment made by uv, and the image put together from both."""

import asyncio
import os
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headrace.cli import model_folder
from headrace.cli.failure import Failure
from headrace.cli.image_files import Way, is_file
from headrace.cli.output import size
from headrace.images import folder as image_folder
from headrace.images.build import image as building
from headrace.images.build.closure import python_name
from headrace.images.build.image import Base, Built, Contents
from headrace.images.build.layer import Written
from headrace.images.oci.rootfs import inside
from headrace.images.oci.store import Store
from headrace.images.registry import client, pull
from headrace.images.registry.reference import parse
from headrace.runners import environments
from headrace.runners.needs import Besides
from headrace.settings import ImageSettings, RunnerSettings

HARNESS = Path(environments.__file__).parent / "harness"
ODD = re.compile(r"[^a-z0-9]+")
USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Wishes:
    folder: Path
    base: str | None
    tag: str | None


async def build(wishes: Wishes, way: Way, scratch: Path, say: Callable[[str], None]) -> Built:
    """Raises Failure, and what the parts raise: Invalid and its kin, StorageFailed."""
    contents = await _contents(wishes.folder, say)
    base = None if wishes.base is None else await _base(wishes.base, way, scratch)
    say("writing the layers")
    (scratch / "layers").mkdir()
    built = await asyncio.to_thread(building.build, contents, base, scratch / "layers")
    say(f"{built.digest}, {size(built.image.manifest.size)}")
    return built


def write(built: Built, name: str, output: Path) -> None:
    """Whole, or not at all."""
    temporary = output.with_name(f".{output.name}.part")
    try:
        with temporary.open("wb") as out:
            built.write(out, name, threading.Event())
        temporary.rename(output)
    finally:
        temporary.unlink(missing_ok=True)


def tag_of(wishes: Wishes) -> str:
    name = wishes.tag or ODD.sub("-", wishes.folder.resolve().name.lower()).strip("-") or "model"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


async def _contents(path: Path, say: Callable[[str], None]) -> Contents:
    folder = model_folder.read(path)
    claims, entry, variables = image_folder.read_claims(path)
    nature = image_folder.read_nature(path, entry)
    say("making the model's environment")
    made = environments.Environments(_cache(), RunnerSettings())
    python = await made.prepare(path, lambda _: None, Besides(nature.requirements, nature.beside))
    packages = python.parent.parent / "lib" / python_name() / "site-packages"
    files = [spec[0] for spec in claims.inputs] if not nature.tensors else []
    settings = {
        "folder": building.MODEL,
        "entry": entry,
        "packages": building.PACKAGES if packages.is_dir() and any(packages.iterdir()) else "",
        "required": files,
        "inputs": files,
        "outputs": [spec[0] for spec in claims.outputs] if not nature.tensors else [],
        "tensors": nature.tensors,
        "model": folder.name,
        "version": folder.version,
    }
    about = path / "model.yaml"
    return Contents(
        model=path,
        harness=HARNESS,
        packages=packages if settings["packages"] else None,
        settings=settings,
        variables=dict(variables),
        title=folder.name,
        about=about.read_text(encoding="utf-8") if about.is_file() else "",
    )


async def _base(text: str, way: Way, scratch: Path) -> Base:
    """Brought into a store of its own, which checks it as the server would."""
    store = Store(scratch, ImageSettings())
    async with store.bringing() as hold:
        if is_file(text):
            image, _ = await store.take_archive(Path(text), text, hold, lambda _: None)
        else:
            reference = parse(text)
            rules = way.rules(reference)
            async with client.connected(reference, way.credentials, rules, way.authorities) as registry:
                digest, document, manifest = await pull.resolve(registry, reference)
                await pull.fetch(registry, store.blobs, manifest, _nobody)
                store.blobs.write(document)
            image = await store.admit(digest, text, lambda _: None)
    root, config = await store.rootfs(image.digest)
    places = dict(config.environment).get("PATH", USUAL_PATH).split(":")
    found = [f"{place}/{python_name()}" for place in places if place]
    python = next((path for path in found if inside(root, path).is_file()), None)
    if python is None:
        raise Failure(f"{text} has no {python_name()}, for which the model's packages are made (by {sys.executable})")
    layers = [Written(store.blobs.path(layer.digest), layer, diff_id) for layer, diff_id in image.layers]
    return Base(image.config, layers, python)


async def _nobody(_: int) -> None:
    """Nobody asks how far it is."""


def _cache() -> Path:
    """Environments are kept from build to build."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"
