"""Examples for a version's users, made from its run test: how a job is submitted, how a result looks (M15 to M17)."""

import base64
import mimetypes
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from headrace.domain.body import Body
from headrace.domain.clock import Millis
from headrace.domain.ids import VersionKey
from headrace.domain.version import RunResult

SHOWN = 16 * 1024  # bytes of one file that an example holds; larger ones are hinted at
INPUT = "0001"


def sample_input(key: VersionKey, bodies: Mapping[str, Body]) -> str:
    """The body of POST /api/jobs that runs the test files again, as JSON text."""
    texts = {name: _as_text(body) for name, body in bodies.items()}
    if all(text is not None for text in texts.values()):
        kind, items = "text", {name: str(text) for name, text in texts.items()}
    else:
        kind, items = "embedded", {name: _data_uri(name, body) for name, body in bodies.items()}
    example = {
        "model": {"identifier": key.model, "version": key.version},
        "input": {"type": kind, "sources": {INPUT: items}},
    }
    return msgspec.json.encode(example).decode()


def sample_output(result: RunResult) -> str:
    """What GET /api/results/<job> says of such a job, as JSON text."""
    one: dict[str, Any] = {
        "status": result.status,
        "engine": result.engine,
        "startTime": _time(result.started),
        "updateTime": _time(result.updated),
        "endTime": _time(result.ended),
        "elapsedTime": result.elapsed,
    }
    one |= {name: _value(name, media_type, text) for name, media_type, text in result.outputs}
    example = {
        "jobIdentifier": "<job identifier>",
        "total": 1,
        "completed": 1,
        "failed": 0,
        "finished": True,
        "submittedAt": _time(result.started),
        "elapsedTime": result.elapsed,
        "results": {INPUT: one},
        "failures": {},
    }
    return msgspec.json.encode(example).decode()


def _as_text(body: Body) -> str | None:
    if not isinstance(body, bytes) or len(body) > SHOWN or b"\0" in body:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _data_uri(name: str, body: Body) -> str:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    small = isinstance(body, bytes) and len(body) <= SHOWN
    content = base64.b64encode(body).decode() if small and isinstance(body, bytes) else "<the file in base64>"
    return f"data:{media_type};base64,{content}"


def _value(name: str, media_type: str, text: str) -> Any:
    """As results show it: JSON as JSON, text as text, anything else as the address of its bytes."""
    if "json" in media_type and text:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text or f"<server>/api/results/<job identifier>/{INPUT}/{name}"


def _time(at: Millis) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
