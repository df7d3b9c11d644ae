"""A house whose replica echoes tensors, behind a real uvicorn on loopback: the fast path needs real connections."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import uvicorn
from rooms.api.house import DONE

from headrace.api.app import http_protocol
from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.body import Slot
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.image import FolderRecipe
from headrace.domain.question import Answer, Fault, Form, Output
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.domain.version import Processing, VersionStatus
from headrace.fleet.seat import Replica

ECHO = TensorModel("echo", (TensorSpec("IN", "FP32", (-1, 4)),), (TensorSpec("OUT", "FP32", (-1, 4)),), 8)


def request(data=(1.0, 2.0, 3.0, 4.0), **more):
    return {"inputs": [{"name": "IN", "shape": [1, 4], "datatype": "FP32", "data": list(data)}]} | more


class Echo:
    """Outputs are inputs. The request's parameters say what goes wrong; "wait" waits for the door."""

    def __init__(self):
        self.door, self.begun = asyncio.Event(), asyncio.Event()
        self.questions = []

    async def ready(self, _timeout):
        return ReplicaInfo(tensors=ECHO)

    async def run(self, questions, _timeout):
        for question in questions:
            assert question.form is Form.V2_REST
            self.questions.append(question)
            self.begun.set()
            if given(question) == b'{"wait"}':
                await self.door.wait()
                yield answered(b"{}", {})
            else:
                yield said(question)

    def close(self):
        pass


def given(question):
    """The bytes of its one body, wherever they lie."""
    body = question.inputs[""]
    return bytes(body.view) if isinstance(body, Slot) else body


def said(question):
    body, meta = given(question), question.meta
    length = int(meta.get("json", len(body)))
    try:
        asked = json.loads(body[:length])
        outputs = [one | {"name": "OUT"} for one in asked["inputs"]]
        parameters = asked.get("parameters", {})
    except (ValueError, LookupError, TypeError) as error:
        return failed(Fault.REQUEST, f"failed to parse the request JSON buffer: {error}")
    if "fault" in parameters:
        more = {"status": parameters["status"]} if "status" in parameters else {}
        return failed(Fault(parameters["fault"]), "boom from model", more)
    identifier = asked.get("id") or meta["id"]
    shown = {"model_name": "echo", "model_version": "1.0.0", "id": identifier, "outputs": outputs}
    head = json.dumps(shown).encode()
    if "json" in meta:
        return answered(head + body[length:], {"json": str(len(head)), "id": identifier}, "application/octet-stream")
    return answered(head, {"id": identifier}, parameters.get("media_type", "application/json"))


def answered(body, meta, media_type="application/json"):
    return Answer(now(), now(), 0.5, {"": Output(body, media_type)}, meta=meta)


def failed(fault, error, meta=None):
    return Answer(now(), now(), 0.5, error=error, fault=fault, meta=meta or {})


async def publish(home, name="echo", version="1.0.0", tensors=ECHO, dialect=None):
    """An active version of a new model, with a replica."""
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    model = await home.rooms.models.create(name, version, principal, now())
    await activate(home, VersionKey(model.identifier, version), tensors, dialect)
    return model.identifier


async def activate(home, key, tensors=ECHO, dialect=None):
    await home.rooms.versions.change(
        key,
        lambda one: replace(
            one,
            status=VersionStatus.ACTIVE,
            image_step=DONE,
            load=DONE,
            run=DONE,
            tensors=tensors,
            recipe=FolderRecipe("folder", "python", "model.py:Model"),
            processing=Processing(0, 1),
        ),
        now(),
    )
    if dialect is not None:
        home.routing.add(key, Replica(f"engine-{key}", dialect))


class Wire:
    """A server of the house's doors, and ways to speak with it."""

    def __init__(self, home, server, port):
        self.home, self.server, self.port = home, server, port
        self.url = f"http://127.0.0.1:{port}"

    @asynccontextmanager
    async def connection(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Talk(reader, writer, self.home.key)
        finally:
            writer.close()

    @asynccontextmanager
    async def client(self, key=None, **headers):
        headers = {"Authorization": f"ApiKey {key or self.home.key}"} | headers
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20, verify=False) as client:
            yield client


class Talk:
    """HTTP by hand, on one connection."""

    def __init__(self, reader, writer, key):
        self.reader, self.writer, self.key = reader, writer, key

    def head(self, path="/v2/models/echo/infer", method="POST", **headers):
        named = {"Host": "127.0.0.1", "Authorization": f"Bearer {self.key}"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items() if value)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def request(self, body=None, **headers):
        body = json.dumps(request()).encode() if body is None else body
        return self.head(Content_Length=len(body), **headers) + body

    def send(self, data):
        self.writer.write(data)

    async def answer(self):
        """Status, headers, body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        return int(first.split()[1]), headers, await self.reader.readexactly(length)

    async def ended(self):
        async with asyncio.timeout(10):
            return await self.reader.read() == b""


@asynccontextmanager
async def served(home):
    settings = home.rooms.settings.server
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            home.app,
            http=http_protocol(home.rooms),
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=settings.connections,
            timeout_graceful_shutdown=5,
            timeout_keep_alive=75,
        )
        server = uvicorn.Server(config)
        running = asyncio.ensure_future(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield Wire(home, server, listener.getsockname()[1])
        finally:
            server.should_exit = True
            await running
