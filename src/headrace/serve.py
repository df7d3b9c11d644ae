"""Doors and loops in one task group, from the first start to the drain at the end."""

import asyncio
import fcntl
import importlib
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import uvicorn
import uvloop

from headrace import faults
from headrace.api.app import http_protocol, metrics_application
from headrace.api.drain import Draining
from headrace.api.grpc.door import Door
from headrace.api.hosts import is_loopback
from headrace.api.oip.grpc import services as oip_services
from headrace.api.side_port import side_port
from headrace.assemble import House, build
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, HeadraceError, Invalid
from headrace.runners.descriptors import allow_many, shortage
from headrace.runners.memory import keep_freed, settle
from headrace.settings import Settings
from headrace.storage.disk import keep_folders, write_durably
from headrace.telemetry import trace

logger = logging.getLogger("headrace")

FLUSH = 60.0  # seconds between two notes of when keys were last used
CLIENT_FILE = "client.toml"
LAST_SPANS = 2.0  # seconds at the end for OpenTelemetry to send what it has


def run(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM. Raises Conflict when another server has the data folder."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    for chatty in ("alembic", "httpx2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep_freed()
    if warning := shortage(allow_many(), settings.server.connections):
        logger.warning(warning)
    server = settings.server
    with (
        _alone(settings.data),
        _listening(server.host, server.port, "--host and --port") as listener,
        _listening(server.host, server.grpc_port, "--set server.grpc_port=… (-1: no gRPC)") as grpc_listener,
        _listening(settings.edge.host, settings.edge.port, "--set edge.port=…") as edge_listener,
        _listening(server.host, server.metrics_port, "--set server.metrics_port=…") as metrics_listener,
    ):
        try:
            uvloop.run(serve(settings, Listeners(listener, grpc_listener, edge_listener, metrics_listener)))
        finally:
            trace.finish(LAST_SPANS)


class Listeners(NamedTuple):
    """Those of doors that are closed are not bound."""

    http: socket.socket
    grpc: socket.socket
    edge: socket.socket
    metrics: socket.socket


async def serve(settings: Settings, listeners: Listeners) -> None:
    server: uvicorn.Server | None = None
    house = build(settings, lambda: server is not None and server.started and not server.should_exit)
    try:
        url = f"http://{_host(settings.server.host)}:{listeners.http.getsockname()[1]}"
        keep_folders(settings.data)
        faults.point("serve.built")
        for opening in house.openings:
            await opening()
        await _first_start(house, settings, url)
        doors = _grpc_doors(house, listeners)
        settle()
        server = _Doors(_configuration(house, settings), doors, settings.server.drain)
        async with _metrics_port(house, listeners.metrics):
            await _run(house, server, listeners, url)
    finally:
        with suppress(HeadraceError):
            await house.keys.flush()
        for close in house.closings:
            await close()
        house.database.close()


class _Grpc(NamedTuple):
    name: str
    door: Door
    listener: socket.socket


def _grpc_doors(house: House, listeners: Listeners) -> list[_Grpc]:
    """Those that are open."""
    settings, doors = house.rooms.settings, []
    if settings.server.grpc_port >= 0:
        doors.append(_Grpc("the Open Inference Protocol", oip_services.door(house.rooms), listeners.grpc))
    if settings.edge.port >= 0:
        services = importlib.import_module("headrace.api.edge.services")  # not loaded where nobody wants it
        doors.append(_Grpc("the edge API", services.door(house.rooms), listeners.edge))
    return doors


class _Doors(Draining):
    """HTTP and gRPC. Told to stop, all stop taking requests at once, and finish those that have begun."""

    def __init__(self, config: uvicorn.Config, grpc: list[_Grpc], grace: float) -> None:
        super().__init__(config)
        self.grpc, self._grace = grpc, grace

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        async with asyncio.TaskGroup() as group:
            for one in self.grpc:
                group.create_task(one.door.drain(self._grace))
            await super().shutdown(sockets)


@asynccontextmanager
async def _metrics_port(house: House, listener: socket.socket) -> AsyncIterator[None]:
    if house.rooms.settings.server.metrics_port < 0:
        yield
        return
    async with side_port(metrics_application(house.rooms), listener):
        logger.info("metrics: port %d", listener.getsockname()[1])
        yield


async def _run(house: House, server: _Doors, listeners: Listeners, url: str) -> None:
    """The loops live as long as the doors are open, and longer: open requests may still need them."""
    async with asyncio.TaskGroup() as group:
        loops = [group.create_task(loop()) for loop in house.loops]
        loops.append(group.create_task(_flush_keys(house)))
        logger.info("listening on %s", url)
        heard = [listeners.http, *(one.listener for one in server.grpc)]
        if not all(is_loopback(listener.getsockname()[0]) for listener in heard):
            logger.warning("other machines can reach this server, without encryption: put a proxy with TLS before it")
        for one in server.grpc:
            loops.append(group.create_task(one.door.serve(one.listener)))
            logger.info("gRPC of %s: port %d", one.name, one.listener.getsockname()[1])
        faults.point("serve.listening")
        await server.serve(sockets=[listeners.http])
        for loop in loops:
            loop.cancel()


async def _flush_keys(house: House) -> None:
    while True:
        await asyncio.sleep(FLUSH)
        with suppress(HeadraceError):
            await house.keys.flush()


def _configuration(house: House, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        house.app,
        http=http_protocol(house.rooms),
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=settings.server.connections,
        timeout_graceful_shutdown=int(settings.server.drain),
        timeout_keep_alive=75,
    )


async def _first_start(house: House, settings: Settings, url: str) -> None:
    """The administrator's key: given by a file, or made and shown once. Loopback clients of this user find it again."""
    given = _given_key(settings)
    file = settings.data / CLIENT_FILE

    def keep(key: str | None) -> None:
        if key is None:
            file.unlink(missing_ok=True)
        else:
            _write_client_file(file, url, key)

    made = await house.keys.first_key(given, settings.accounts.admin_email, now(), keep)
    faults.point("serve.key.made")
    if made is not None:
        sys.stderr.write(
            f"\nThe administrator's key, shown this once:\n\n    {made}\n\n(also kept for you in {file})\n\n"
        )
    if made is not None or file.exists():
        _write_client_file(file, url, made)


def _given_key(settings: Settings) -> str | None:
    name = settings.accounts.admin_key_file
    if not name:
        return None
    try:
        return Path(name).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"accounts.admin_key_file {name} cannot be read: {error}") from None


def _write_client_file(file: Path, url: str, key: str | None) -> None:
    """Where this user's command line finds the server: readable by nobody else."""
    kept = [line for line in file.read_text().splitlines() if line.startswith("key =")] if file.exists() else []
    lines = [f'url = "{url}"', f'key = "{key}"' if key else "".join(kept[:1])]
    write_durably(file, ("\n".join(lines) + "\n").encode())


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """One server per data folder: it has the only writer, and at its start it takes back what was under way."""
    descriptor = os.open(data / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise Conflict(
            f"another server (process {pid}) works on {data}: stop it, or name another folder by --data"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _listening(host: str, port: int, setting: str) -> Iterator[socket.socket]:
    """A negative port: a socket that is not bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if port >= 0:
                listener.bind((host, port))
        except OSError as error:
            raise Conflict(f"cannot listen on {host}:{port}: {error.strerror}. Choose another by {setting}") from None
        yield listener


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)  # noqa: S104 - a name to show
