"""A port of its own for metrics: nothing else is there, and who may read is the same."""

import asyncio
import socket
from contextlib import asynccontextmanager

import httpx2
import pytest
from rooms.api.house import house

from headrace.api import side_port as side_port_module
from headrace.api.app import metrics_application
from headrace.api.side_port import side_port
from headrace.settings import ServerSettings


@asynccontextmanager
async def port(tmp_path, **settings):
    async with house(tmp_path, server=ServerSettings(**settings)) as home:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            app = metrics_application(home.rooms)
            async with side_port(app, listener), httpx2.AsyncClient(base_url=url, timeout=30, verify=False) as client:
                yield home, client
        async with httpx2.AsyncClient(verify=False) as late:
            with pytest.raises(httpx2.ConnectError):
                await late.get(url)


async def test_metrics_need_a_key_there_too(tmp_path):
    async with port(tmp_path) as (home, client):
        assert 401 == (await client.get("/metrics")).status_code
        answer = await client.get("/metrics", headers={"Authorization": f"ApiKey {home.key}"})
        assert (200, True) == (answer.status_code, "headrace_requests_waiting" in answer.text)


async def test_and_none_where_the_operator_says_so(tmp_path):
    async with port(tmp_path, metrics_open=True) as (_, client):
        answer = await client.get("/metrics")
        assert (200, "nosniff") == (answer.status_code, answer.headers["x-content-type-options"])


@pytest.mark.parametrize("path", ["/v2/health/live", "/api/models", "/"])
async def test_nothing_else_is_there(tmp_path, path):
    async with port(tmp_path, metrics_open=True) as (home, client):
        answer = await client.get(path, headers={"Authorization": f"ApiKey {home.key}"})
        assert 404 == answer.status_code


async def test_another_name_is_refused(tmp_path):
    async with port(tmp_path, metrics_open=True) as (_, client):
        assert 421 == (await client.get("/metrics", headers={"Host": "evil.example"})).status_code


async def test_who_asks_for_another_protocol_is_answered_in_this_one(tmp_path, caplog):
    async with port(tmp_path, metrics_open=True) as (_, client):
        for _ in range(2):
            answer = await client.get("/metrics", headers={"Connection": "Upgrade", "Upgrade": "h2c"})
            assert 200 == answer.status_code
    assert "upgrade" not in caplog.text.lower()


async def test_silent_connections_keep_nobody_out(tmp_path, monkeypatch):
    monkeypatch.setattr(side_port_module, "CONNECTIONS", 5)
    monkeypatch.setattr("headrace.api.crowd.SILENT", 0.0)
    async with port(tmp_path, metrics_open=True) as (_, client):
        url = client.base_url
        silent = [await asyncio.open_connection(url.host, url.port) for _ in range(10)]
        assert 200 == (await client.get("/metrics")).status_code
        for _, writer in silent:
            writer.close()
