"""A store of test images, as runners want it."""

import os
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from engines.boxes.closure import Built

from headrace.domain.errors import NotFound
from headrace.domain.image import ImageConfig

TRUSTED = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}  # Python before 3.11.4 knows no filters


class Shelf:
    """`images` may grow."""

    def __init__(self, folder: Path, images: Mapping[str, Built]) -> None:
        self._folder, self._images = folder, images

    def config(self, digest: str) -> ImageConfig:
        return config_of(self._image(digest))

    async def archive(self, digest: str) -> Path:
        return self._image(digest).path

    async def rootfs(self, digest: str) -> tuple[Path, ImageConfig]:
        image = self._image(digest)
        target = self._folder / digest[7:31]
        if not target.exists():
            self._folder.mkdir(exist_ok=True)
            fresh = target.with_name(f"{target.name}.{os.getpid()}")
            for layer in image.layers:
                with tarfile.open(fileobj=BytesIO(layer.blob)) as tar:
                    tar.extractall(fresh, **TRUSTED)
            fresh.rename(target)
        return target, config_of(image)

    def _image(self, digest: str) -> Built:
        for image in self._images.values():
            if image.digest == digest:
                return image
        raise NotFound(f"there is no image {digest}")


def config_of(image: Built) -> ImageConfig:
    said = image.config
    environment = [tuple(str(one).split("=", 1)) for one in said.get("Env", ())]
    return ImageConfig(
        entrypoint=tuple(said.get("Entrypoint", ())),
        command=tuple(said.get("Cmd", ())),
        environment=tuple((name, value) for name, value in environment),
        user=str(said.get("User", "")),
        workdir=str(said.get("WorkingDir", "")),
        ports=tuple(int(port.partition("/")[0]) for port in said.get("ExposedPorts", {})),
        labels=tuple(said.get("Labels", {}).items()),
    )
