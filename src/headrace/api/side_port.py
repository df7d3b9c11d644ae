"""A port of its own for GET /metrics, beside that of all doors: scrapers need not reach the rest (server.metrics_port).

Who may read there, and by which names the server is called, is the same as on the main port.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from headrace.api.http1 import Http1

CONNECTIONS = 100


@asynccontextmanager
async def side_port(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Open until it is left: also while the other doors drain."""
    config = uvicorn.Config(
        app, http=Http1, loop="none", lifespan="off", ws="none", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, date_header=False, limit_concurrency=CONNECTIONS,
    )  # fmt: skip
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: Http1(config, state, {}), sock=listener)
    try:
        yield
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
