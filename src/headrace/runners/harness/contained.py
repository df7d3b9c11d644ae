"""A model in an image of its own, under the HTTP contract of model containers: /status, /run, /shutdown.

Any platform of that contract can run it. Usage: harness.py --contained SETTINGS, where SETTINGS is a JSON file with
folder, entry, packages, required, inputs, outputs, tensors, output. The model is loaded and asked by the first thread,
one input at a time; requests wait for it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import signal
import site
import sys
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from headrace.runners.harness.failures import log, sentence
from headrace.runners.harness.questions import Asked
from headrace.runners.harness.serving import Loaded

PORT = 8080
LARGEST = 1 << 20  # bytes of a request
OUTPUT = 256 << 20  # bytes of one input's outputs
LOOK = 0.5  # seconds; a signal that comes just before the wait begins is only seen when it ends
ERROR, NAMES = 3, 4  # fields of an answer's head
NAMED = {200: "OK", 202: "ACCEPTED", 400: "BAD_REQUEST", 404: "NOT_FOUND", 415: "UNSUPPORTED_MEDIA_TYPE",
         422: "UNPROCESSABLE_ENTITY", 500: "INTERNAL_SERVER_ERROR"}  # fmt: skip

Work = Callable[[], None]


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Kept:
    """In place of the socket: the answer to the one question that was asked."""

    def __init__(self) -> None:
        self.error: str | None = None
        self.files: dict[str, bytes] = {}

    def add(self, head: tuple[Any, ...], bodies: Sequence[bytes], last: bool) -> None:  # noqa: ARG002 - as Answers has it
        self.error = head[ERROR]
        self.files = {name: bytes(body) for (name, _), body in zip(head[NAMES], bodies, strict=True)}


class Given:
    """In place of the bodies that follow a question."""

    def __init__(self, inputs: dict[str, bytes]) -> None:
        self._inputs = inputs

    def files(self, asked: Asked) -> dict[str, bytes]:  # noqa: ARG002 - there is one
        return self._inputs


class Alone:
    """Nobody watches how far a question is."""

    def __call__(self, index: int, count: int) -> None:
        pass

    def unwanted(self, index: int) -> bool:  # noqa: ARG002 - as the desks ask
        return False

    def taken(self) -> int:
        return 0


class Contained:
    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._kept = Kept()
        self._loaded: Loaded | None = None
        self._fault = ""
        self._work: queue.Queue[Work] = queue.Queue()
        self._known = threading.Event()  # whether it could be loaded

    def work_forever(self) -> None:
        """On the first thread, which some models insist on."""
        try:
            folder, entry = Path(self._settings["folder"]), self._settings["entry"]
            self._loaded = Loaded(folder, entry, self._settings, self._kept)  # type: ignore[arg-type]  # all that desks use
            gc.collect()
            gc.freeze()
        except BaseException as failure:  # noqa: BLE001 - also SystemExit: a model that cannot be loaded says why
            log(failure)
            self._fault = sentence(failure)
        self._known.set()
        while True:
            with contextlib.suppress(queue.Empty):
                self._work.get(timeout=LOOK)()

    def status(self) -> tuple[int, str]:
        self._known.wait()
        return (500, self._fault) if self._fault else (200, "ready")

    def run(self, body: dict[str, Any]) -> tuple[int, str]:
        """Raises Refusal."""
        self._known.wait()
        if self._fault:
            raise Refusal(500, self._fault)
        inputs, target = self._inputs(body), _target(body)
        done = threading.Event()
        outcome: list[tuple[int, str]] = []

        def work() -> None:
            try:
                outcome.append(self._answered(inputs, target, explain=bool(body.get("explain"))))
            except BaseException as failure:  # noqa: BLE001 - whatever happens, the request gets an answer
                log(failure)
                outcome.append((500, sentence(failure)))
            finally:
                done.set()

        self._work.put(work)
        done.wait()
        return outcome[0]

    def _answered(self, inputs: dict[str, bytes], target: Path, explain: bool) -> tuple[int, str]:
        if self._loaded is None:
            return 500, "the model is not loaded"
        asked = Asked([explain, [(name, len(content)) for name, content in inputs.items()]])
        self._loaded.desk(files=True).answer_all([asked], Given(inputs), Alone())  # type: ignore[arg-type]
        if self._kept.error is not None:
            return 422, self._kept.error
        target.mkdir(parents=True, exist_ok=True)
        for name, content in self._kept.files.items():
            if "/" in name or name in (".", ".."):
                return 500, f"the model gave an output the name {name!r}, which is no file's"
            (target / name).write_bytes(content)
        return 200, "success"

    def _inputs(self, body: dict[str, Any]) -> dict[str, bytes]:
        folder = Path(str(body["input"]))
        if not folder.is_dir():
            raise Refusal(400, f"there is no input directory {folder}")
        found = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
        for name in self._settings.get("required") or ():
            if name not in found:
                raise Refusal(400, f"the input file {name} is missing")
        return found


def _target(body: dict[str, Any]) -> Path:
    target = Path(str(body["output"]))
    if target.exists() and not target.is_dir():
        raise Refusal(400, f"{target} is no directory")
    return target


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    contained: Contained

    def do_GET(self) -> None:
        self._answer(*(self.contained.status() if self._route() == "/status" else (404, "there is no such route")))

    def do_POST(self) -> None:
        route = self._route()
        content = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), LARGEST))
        if route == "/shutdown":
            self._answer(202, "shutting down")
            self.wfile.flush()
            os._exit(0)
        if route != "/run":
            self._answer(404, "there is no such route")
            return
        try:
            self._answer(*self.contained.run(self._job(content)))
        except Refusal as refusal:
            self._answer(refusal.status, str(refusal))

    def _job(self, content: bytes) -> dict[str, Any]:
        if self.headers.get_content_type() != "application/json":
            raise Refusal(415, "the Content-Type should be application/json")
        try:
            body = json.loads(content)
        except ValueError:
            raise Refusal(400, "the body is not JSON") from None
        if not isinstance(body, dict) or not {"type", "input", "output"} <= set(body) or body["type"] != "file":
            raise Refusal(400, 'the body should be {"type": "file", "input": a directory, "output": a directory}')
        return body

    def _route(self) -> str:
        return self.path.partition("?")[0].rstrip("/")

    def _answer(self, status: int, message: str) -> None:
        body = json.dumps({"message": message, "statusCode": status, "status": NAMED[status]}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server asks for
        """The log is the model's."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the first process of a container ignores it otherwise
    settings = {"output": OUTPUT, **json.loads(Path(arguments[0]).read_text(encoding="utf-8"))}
    if settings.get("packages"):
        site.addsitedir(settings["packages"])
    contained = Handler.contained = Contained(settings)
    port = int(os.environ.get("PSC_MODEL_PORT") or PORT)
    server = Server((os.environ.get("HEADRACE_MODEL_HOST") or "0.0.0.0", port), Handler)  # noqa: S104 - of a container
    threading.Thread(target=server.serve_forever, name="headrace-http", daemon=True).start()
    sys.stderr.flush()
    contained.work_forever()
    return 0
