"""A client that deploys models, one after the other, by all documented steps; each is repeated until it is told."""

import asyncio
import io
import shutil
import sys
import tarfile
from http import HTTPStatus
from pathlib import Path

import httpx2

from headrace.torture.clients import PAUSE, VERSION, Client
from headrace.torture.installation import MODEL
from headrace.torture.tiny_image import tiny_image

DONE = 100  # per cent


class Deployer(Client):
    """With the administrator's key."""

    async def run(self) -> None:
        try:
            number = 0
            while not self._shared.stop.is_set():
                await self._bring_in(f"{self.name}{number}-image", tiny_image(f"{self.name} {number}".encode()))
                await self._deploy(f"{self.name}{number}", number)
                number += 1
        finally:
            await self._http.aclose()

    async def _bring_in(self, name: str, archive: bytes) -> tuple[str, str]:
        """A new model and its first version, with what it runs; the model, and the path of the version."""
        made = await self._told("POST", "/models", json={"name": name, "version": VERSION})
        model = made.json()["identifier"]
        path = f"/models/{model}/versions/{VERSION}"
        upload = {"file": ("model.tar", archive, "application/x-tar")}
        await self._told("POST", f"{path}/container-image", files=upload)
        await self._whole(f"{path}/container-image")
        self._ledger.counts["imports"] += 1
        return model, path

    async def _deploy(self, name: str, number: int) -> None:
        model, path = await self._bring_in(name, _packed(self.name, number))
        await self._told("PATCH", f"/models/{model}", json={"visibility": {"scope": "ACCOUNT"}})
        await self._told("POST", f"{path}/load-process")
        test = {"file": ("test.txt", b"echo")}
        await self._told("POST", f"{path}/testInput", params={"name": "input.txt"}, files=test)
        await self._told("POST", f"{path}/run-process")
        await self._whole(f"{path}/run-process")
        await self._told("PATCH", path, json={"status": "active"})
        await self._works(model)
        self._ledger.counts["models deployed"] += 1

    async def _told(self, method: str, path: str, **parts: object) -> httpx2.Response:
        """409: a try without an answer was heard. 400 with a step that is not over yet: later."""
        while True:
            answer = await self.ask(method, path, **parts)
            if answer.is_success or answer.status_code == HTTPStatus.CONFLICT:
                return answer
            if answer.status_code != HTTPStatus.BAD_REQUEST:
                self._ledger.complain(f"{method} {path} was answered with {answer.status_code}: {answer.text[:300]}")
                return answer
            await self._breathe()

    async def _whole(self, path: str) -> None:
        while True:
            answer = await self.ask("GET", path)
            if answer.is_client_error:
                self._ledger.complain(f"{path} failed: {answer.text[:300]}")
                return
            if answer.is_success and answer.json()["percentage"] >= DONE:
                return
            await self._breathe()

    async def _works(self, model: str) -> None:
        answer = await self.ask("GET", f"/models/{model}/versions/{VERSION}")
        status = answer.json().get("status") if answer.is_success else answer.status_code
        if status != "active":
            self._ledger.complain(f"model {model} was published and is {status}")
        await asyncio.sleep(PAUSE)


def _packed(name: str, number: int) -> bytes:
    """Each another one; every second one with an environment of its own, though there is nothing in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(MODEL.iterdir()):
            if path.is_file():
                archive.add(path, path.name)
        lines = lock_of(name, number)
        about = tarfile.TarInfo("pylock.toml" if number % 2 == 0 and _uv() else "README.md")
        about.size = len(lines)
        archive.addfile(about, io.BytesIO(lines))
    return buffer.getvalue()


def lock_of(name: str, number: int) -> bytes:
    """Of no packages: an environment is made for it, and no index is asked."""
    return f'lock-version = "1.0"\ncreated-by = "{name} {number}"\npackages = []\n'.encode()


def _uv() -> bool:
    return any(shutil.which("uv", path=place) for place in (str(Path(sys.executable).parent), None))
