"""The end of a server whose process has an SDK of OpenTelemetry: spans go out, and no collector holds it up long."""

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.sdk", reason="pip install opentelemetry-sdk")

# a server as `opentelemetry-instrument headrace serve` has it, with an exporter that writes into a file
SERVER = """
import sys, time
from pathlib import Path
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from headrace.serve import run
from headrace.settings import ServerSettings, Settings

class Into(SpanExporter):
    def export(self, spans):
        time.sleep(float(sys.argv[2]))
        Path(sys.argv[1], "spans").write_text(",".join(span.name for span in spans))
        return SpanExportResult.SUCCESS

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(Into(), schedule_delay_millis=3_600_000))
trace.set_tracer_provider(provider)
with trace.get_tracer("test").start_as_current_span("asked"):
    pass
run(Settings(data=Path(sys.argv[1], "data"), server=ServerSettings(port=0, grpc_port=-1)))
"""


@asynccontextmanager
async def serving(folder: Path, delay: float):
    program = [sys.executable, "-c", SERVER, str(folder), str(delay)]
    log = folder / "log"
    with log.open("wb") as file:
        server = await asyncio.create_subprocess_exec(
            *program, stderr=file, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
    try:
        async with asyncio.timeout(60):
            while b"Started server process" not in log.read_bytes():
                await asyncio.sleep(0.05)
        yield server, log
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def stopped(server) -> float:
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        assert 0 == await server.wait()
    return time.monotonic() - began


async def test_what_waits_goes_out(tmp_path) -> None:
    async with serving(tmp_path, 0.5) as (server, log):
        await stopped(server)
        assert "asked" == (tmp_path / "spans").read_text()
        assert b"is lost" not in log.read_bytes()


async def test_a_collector_that_does_not_answer_holds_nothing_up_for_long(tmp_path) -> None:
    async with serving(tmp_path, 30) as (server, log):
        assert 2 <= await stopped(server) < 15
        assert b"was not through within 2 seconds: what it had not sent yet is lost" in log.read_bytes()
