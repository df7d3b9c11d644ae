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

DONE = 100  # per cent


class Deployer(Client):
    """With the administrator's key."""

    async def run(self) -> None:
        try:
            number = 0
            while not self._shared.stop.is_set():
                await self._deploy(f"{self.name}{number}", number)
                number += 1
        finally:
            await self._http.aclose()

    async def _deploy(self, name: str, number: int) -> None:
        made = await self._told("POST", "/models", json={"name": name, "version": VERSION})
        model = made.json()["identifier"]
        await self._told("PATCH", f"/models/{model}", json={"visibility": {"scope": "ACCOUNT"}})
        path = f"/models/{model}/versions/{VERSION}"
        upload = {"file": ("model.tar.gz", _packed(self.name, number), "application/gzip")}
        await self._told("POST", f"{path}/container-image", files=upload)
        await self._whole(f"{path}/container-image")
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
            if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
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
    """Each another one; now and then with requirements of its own, so that an environment is made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(MODEL.iterdir()):
            if path.is_file():
                archive.add(path, path.name)
        lines = f"# {name} {number}\n".encode()
        about = tarfile.TarInfo("requirements.txt" if number % 3 == 0 and _uv() else "README.md")
        about.size = len(lines)
        archive.addfile(about, io.BytesIO(lines))
    return buffer.getvalue()


def _uv() -> bool:
    return any(shutil.which("uv", path=place) for place in (str(Path(sys.executable).parent), None))
