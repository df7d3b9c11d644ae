"""A scratch installation: made once with a model, users, keys and quotas, then copied for each round."""

import asyncio
import io
import shutil
import socket
import tarfile
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from headrace.torture.cluster import Cluster
from headrace.torture.server import Server, Servers

MODEL = Path(__file__).parent / "model"
VERSION = "1.0.0"
SETTINGS = (
    "runners.sandbox=off",
    "server.grpc_port=-1",
    "server.drain=5",
    "jobs.keep_inputs=0",
    "storage.ballast=4194304",
    "fleet.first_delay=0.05",
    "fleet.longest_delay=0.5",
)
ALONE = "third"  # the user with a single client
QUOTAS = {"rich": 10_000_000, "poor": 400, "third": 50_000}
LOOK = 0.05
STEP_LIMIT = 120.0  # seconds for a step of the deployment


class Refused(Exception):
    """The installation could not be made: nothing was tortured."""


@dataclass(frozen=True, slots=True)
class User:
    name: str
    key: str
    identifier: str


@dataclass(frozen=True, slots=True)
class Template:
    """A stopped installation."""

    data: Path
    model: str
    users: tuple[User, ...]
    admin: str  # the administrator's key
    idempotent: bool  # the server knows Idempotency-Key
    cluster: Cluster | None  # stopped too; None: SQLite


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def make(servers: Servers, folder: Path, settings: tuple[str, ...], *, postgresql: bool = False) -> Template:
    data, cluster = folder / "template", Cluster(folder / "template-pg") if postgresql else None
    if cluster is not None:
        cluster.folder.mkdir()
        await asyncio.to_thread(cluster.make)
        settings = (*settings, f"storage.url={cluster.url}")
    server = servers(data, free_port(), settings, folder / "template.log")
    key = await asyncio.to_thread(server.start, {})
    try:
        async with _connection(server, key) as http:
            model = await deploy(http, "torture")
            users = [await _user(http, name, quota) for name, quota in QUOTAS.items()]
            idempotent = await _idempotent(http, name="torture-twice")
    finally:
        await asyncio.to_thread(server.stop)
        if cluster is not None:
            await asyncio.to_thread(cluster.stop)
    return Template(data, model, tuple(users), key, idempotent, cluster)


def copy(template: Template, data: Path) -> None:
    shutil.copytree(template.data, data, symlinks=True)


def _connection(server: Server, key: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=f"{server.url}/api",
        headers={"Authorization": f"ApiKey {key}"},
        timeout=STEP_LIMIT,
        trust_env=False,
        verify=False,
    )


async def deploy(http: httpx2.AsyncClient, name: str) -> str:
    """The documented steps; the identifier of the model."""
    made = await _sent(http, "POST", "/models", json={"name": name, "version": VERSION})
    model = str(made["identifier"])
    await _sent(http, "PATCH", f"/models/{model}", json={"visibility": {"scope": "ACCOUNT"}})
    path = f"/models/{model}/versions/{VERSION}"
    upload = {"file": ("model.tar.gz", packed(), "application/gzip")}
    await _sent(http, "POST", f"{path}/container-image", files=upload)
    await _whole(http, f"{path}/container-image")
    processing = {"minimumParallelCapacity": 0, "maximumParallelCapacity": 2}
    await _sent(http, "PATCH", path, json={"processing": processing})
    await _sent(http, "POST", f"{path}/load-process")
    test = {"file": ("test.txt", b"echo")}
    await _sent(http, "POST", f"{path}/testInput", params={"name": "input.txt"}, files=test)
    await _sent(http, "POST", f"{path}/run-process")
    await _whole(http, f"{path}/run-process")
    await _sent(http, "PATCH", path, json={"status": "active"})
    return model


async def _idempotent(http: httpx2.AsyncClient, name: str) -> bool:
    """Whether the same POST with the same key makes one thing or two."""
    body, key = {"name": name, "version": VERSION}, {"Idempotency-Key": name}
    made = [await http.post("/models", json=body, headers=key) for _ in range(2)]
    return all(one.is_success for one in made) and made[0].json() == made[1].json()


def packed() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(MODEL.iterdir()):
            if path.is_file():
                archive.add(path, path.name)
    return buffer.getvalue()


async def _user(http: httpx2.AsyncClient, name: str, quota: int) -> User:
    accounts = msgspec.json.decode((await http.get("/accounting/accounts")).content)
    body = {"email": f"{name}@torture.invalid", "firstName": name, "roles": ["Developer", "TEAM_ROLE"]}
    made = await _sent(http, "POST", f"/accounting/accounts/{accounts[0]['identifier']}/users", json=body)
    prefix = made["accessKeys"][0]["prefix"]
    shown = await _sent(http, "POST", f"/accounting/access-keys/{prefix}/hash")
    await _sent(http, "POST", "/accounting/quotas", json={"user": made["identifier"], "quota": quota})
    return User(name, f"{prefix}.{shown['hash']}", made["identifier"])


async def _sent(http: httpx2.AsyncClient, method: str, path: str, **parts: Any) -> Any:
    answer = await http.request(method, path, **parts)
    if not answer.is_success:
        raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
    return msgspec.json.decode(answer.content) if answer.content else None


async def _whole(http: httpx2.AsyncClient, path: str) -> None:
    async with asyncio.timeout(STEP_LIMIT):
        while True:
            answer = await http.get(path)
            if answer.status_code == HTTPStatus.OK and answer.json()["percentage"] >= 100:  # noqa: PLR2004 - per cent
                return
            await asyncio.sleep(LOOK)
