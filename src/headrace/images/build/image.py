"""The parts of an image that was built here, and the one file or the registry that they go to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from headrace.images.archive import Stop
from headrace.images.build.closure import add, files_of, interpreter, write_python
from headrace.images.build.layer import LayerWriter, Written
from headrace.images.build.native import write_environment
from headrace.images.oci import documents, platforms, portable
from headrace.images.oci.checked import Image
from headrace.images.oci.digest import digest_of, hex_of
from headrace.images.oci.documents import OCI_CONFIG, OCI_MANIFEST, Config, Descriptor, Manifest

HOME = "/headrace"  # what is ours in the image
HARNESS, MODEL, SETTINGS = f"{HOME}/harness", f"{HOME}/model", f"{HOME}/settings.json"
PACKAGES = f"{HOME}/packages"
PORT = 8080
NOBODY = "65534:65534"
LONG_AGO = "1970-01-01T00:00:00Z"
SKIPPED = frozenset({"__pycache__", ".git", ".venv", "venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", "wheels"})
LABEL_CONTRACT, LABEL_MODEL = "io.headrace.contract", "io.headrace.model"


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into the image."""

    model: Path  # the folder
    harness: Path  # the program beside the model
    packages: Path | None  # site-packages of the model's environment, made for this very Python
    settings: Mapping[str, Any]  # for the harness: entry, inputs, outputs, tensors
    variables: Mapping[str, str]
    title: str
    about: str  # model.yaml as it stands


@dataclass(frozen=True, slots=True)
class Base:
    """An image to build on, whose parts lie in files."""

    config: Config
    layers: Sequence[Written]
    python: str  # its interpreter


@dataclass(frozen=True, slots=True)
class Built:
    digest: str
    document: bytes
    image: Image
    files: Mapping[str, Path]  # by digest; the manifest is among them

    def write(self, out: IO[bytes], name: str, stop: Stop) -> None:
        """As one tar for every engine. Blocking."""
        portable.write_tar(self.image, self.files.__getitem__, name, out, stop)


def build(contents: Contents, base: Base | None, scratch: Path) -> Built:
    """Blocking. The result lies in `scratch`, an empty folder. Raises Unsupported, OSError."""
    layers = list(base.layers) if base else [_python_layer(scratch / "python")]
    if contents.packages is not None:
        layer = LayerWriter()
        write_environment(layer, contents.packages, PACKAGES, closed=base is None)
        layers.append(layer.write(scratch / "packages"))
    layers.append(_model_layer(contents, scratch / "model"))
    python = base.python if base else interpreter()
    config = msgspec.json.encode(_config(contents, base, python, [layer.diff_id for layer in layers]))
    described = Descriptor(digest_of(config), len(config), OCI_CONFIG)
    manifest = Manifest(described, [layer.descriptor for layer in layers], OCI_MANIFEST)
    document = msgspec.json.encode(manifest)
    files = {layer.descriptor.digest: layer.path for layer in layers}
    for content in (config, document):
        path = scratch / hex_of(digest_of(content))
        path.write_bytes(content)
        files[digest_of(content)] = path
    image = Image(digest_of(document), manifest, documents.config(config))
    return Built(image.digest, document, image, files)


def _python_layer(path: Path) -> Written:
    layer = LayerWriter()
    write_python(layer)
    return layer.write(path)


def _model_layer(contents: Contents, path: Path) -> Written:
    layer = LayerWriter()
    for file in files_of(contents.harness, SKIPPED):
        add(layer, file, f"{HARNESS}/{file.relative_to(contents.harness)}")
    for file in files_of(contents.model, SKIPPED):
        add(layer, file, f"{MODEL}/{file.relative_to(contents.model)}")
    layer.file(SETTINGS, msgspec.json.encode(dict(contents.settings), order="deterministic"))
    return layer.write(path)


def _config(contents: Contents, base: Base | None, python: str, diff_ids: list[str]) -> dict[str, Any]:
    here = platforms.here()
    wishes = base.config.config if base else None
    inherited = dict(documents.started_by(wishes).environment)
    variables = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        **inherited,
        "HOME": "/tmp",  # noqa: S108 - in the image
        "PYTHONDONTWRITEBYTECODE": "1",
        "PSC_MODEL_PORT": str(PORT),
        **contents.variables,
    }
    labels = {"org.opencontainers.image.title": contents.title, LABEL_CONTRACT: "modzy-http"}
    if contents.about:
        labels[LABEL_MODEL] = contents.about
    return {
        "architecture": here.architecture,
        **({"variant": here.variant} if here.variant else {}),
        "os": here.os,
        "created": LONG_AGO,
        "config": {
            "User": NOBODY,
            "ExposedPorts": {f"{PORT}/tcp": {}},
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Entrypoint": [python, "-I", "-u", f"{HARNESS}/harness.py", "--contained", SETTINGS],
            "WorkingDir": MODEL,
            "Labels": labels,
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": LONG_AGO, "created_by": "headrace image build"} for _ in diff_ids],
    }
