"""Containers that speak the Open Inference Protocol over HTTP themselves: MLServer, Triton, KServe's model servers.

Requests in that form are passed through as they came, and so are the answers. Jobs' files and requests by gRPC are
translated. Each of their questions is one request: such servers batch by themselves, if at all.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from headrace.dialects.dialect import ReplicaInfo, Told
from headrace.dialects.forms import Encoded, Listener, Refused, RestBody, Times, aside, in_memory, stored
from headrace.dialects.framing import Garbage
from headrace.dialects.http_client import HttpClient, Reply, Request, TooMuch
from headrace.dialects.media import BINARY, JSON
from headrace.dialects.modzy_http import Ways
from headrace.dialects.wire import Gone, Late
from headrace.domain.clock import now
from headrace.domain.errors import LimitReached, ModelFailed, ReplicaLost
from headrace.domain.image import Contract
from headrace.domain.question import Answer, Fault, Form, Question
from headrace.domain.reach import Reach
from headrace.domain.tensor import DATATYPES, TensorModel, TensorSpec

LABEL = "io.headrace.oip.model"
NAMES = ("MODEL_NAME", "MLSERVER_MODEL_NAME")
USUAL = "default"
OK, BAD_REQUEST, NOT_IMPLEMENTED = 200, 400, 501
LARGEST_METADATA = 1 << 20  # bytes
SLACK = 64 * 1024  # bytes around the outputs themselves
PAUSE = 0.1
HEADER = "inference-header-content-length"
MOST_TENSORS, MOST_DIMENSIONS = 1_000, 32
_Dimension = Annotated[int, msgspec.Meta(ge=-1, lt=1 << 40)]


class _Tensor(msgspec.Struct):
    name: str
    datatype: str = "BYTES"
    shape: Annotated[list[_Dimension], msgspec.Meta(max_length=MOST_DIMENSIONS)] = []


class _Metadata(msgspec.Struct):
    name: str = ""
    platform: str = ""
    inputs: Annotated[list[_Tensor], msgspec.Meta(max_length=MOST_TENSORS)] = []
    outputs: Annotated[list[_Tensor], msgspec.Meta(max_length=MOST_TENSORS)] = []


class _Error(msgspec.Struct):
    error: str = ""


class _Refusal(Exception):
    """The server's own error: its words, and its status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status

    @property
    def fault(self) -> Fault:
        kinds = {BAD_REQUEST: Fault.REQUEST, NOT_IMPLEMENTED: Fault.UNSUPPORTED}
        return kinds.get(self.status, Fault.MODEL)


class OipHttp:
    def __init__(self, reach: Reach, port: int, told: Told, ways: Ways) -> None:
        self._client = HttpClient(lambda: reach.connect(port))
        self._config, self._port, self._told, self._ways = reach.config, port, told, ways
        self._listener = Listener("", "", TensorModel("container"))

    async def ready(self, timeout: float) -> ReplicaInfo:
        until, why = asyncio.get_running_loop().time() + timeout, "it does not answer"
        while True:
            try:
                found = await self._described(until)
                if isinstance(found, TensorModel):
                    return ReplicaInfo(tensors=found, contract=Contract.OIP, port=self._port)
                why = found
            except Late:
                raise LimitReached(
                    f"the model was not ready within {timeout:g} s (timeout.status)", technical=why
                ) from None
            except (Garbage, TooMuch) as error:
                raise ModelFailed(f"what the model says of itself cannot be read: {error}") from None
            except (OSError, Gone):
                why = "it closes its connection"
            if asyncio.get_running_loop().time() + PAUSE > until:
                raise LimitReached(f"the model was not ready within {timeout:g} s (timeout.status)", technical=why)
            await asyncio.sleep(PAUSE)

    async def _described(self, until: float) -> TensorModel | str:
        """What the model says of its tensors, or why it says nothing yet."""
        if (await self._get("/v2/health/ready", until)).status != OK:
            return "the server in it is not ready"
        async for name in self._names(until):
            path = f"/v2/models/{quote(name, safe='')}"
            reply = await self._get(path, until)
            if reply.status == OK:
                if (await self._get(f"{path}/ready", until)).status != OK:
                    return f"its model {name!r} is not ready"
                tensors = _tensors(reply.body)
                self._listener = await self._heard(name, tensors, until)
                return tensors
        return "it has no model whose name is known: name it by the image's label io.headrace.oip.model"

    async def _heard(self, name: str, tensors: TensorModel, until: float) -> Listener:
        """Chassis' server (its image says PROTOCOL) knows no extension, and takes and gives all bytes as base64."""
        said = (await self._get("/v2", until)).body
        own = dict(self._config.environment)
        chassis = "PROTOCOL" in own and "MODEL_NAME" in own
        return Listener(name, self._told.version, tensors, b"binary_tensor_data" in said, chassis)

    async def _names(self, until: float) -> AsyncIterator[str]:
        """Names under which the model may be known, the likeliest first."""
        said = dict(self._config.labels).get(LABEL)
        own = dict(self._config.environment)
        for name in (said, *(own.get(one) for one in NAMES)):
            if name:
                yield name
        headers = (("Content-Type", "application/json"),)
        for request in (Request("POST", "/v2/repository/index", b"{}", headers), Request("GET", "/v2/models")):
            reply = await self._client.ask(request, until, LARGEST_METADATA)
            if reply.status == OK:
                for name in _listed(reply.body):
                    yield name
        for name in (USUAL, self._told.model):
            if name:
                yield name

    async def _get(self, path: str, until: float) -> Reply:
        return await self._client.ask(Request("GET", path), until, LARGEST_METADATA)

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        for index, question in enumerate(questions):
            started, since = now(), monotonic()
            try:
                until = asyncio.get_running_loop().time() + timeout
                answer = await self._answer(question, until, started, since)
            except Late:
                late = f"the model did not answer within {timeout:g} s (timeout.run)"
                raise LimitReached(late, suspect=index) from None
            except Gone:
                raise ReplicaLost("the model closed its connection before it had answered", suspect=index) from None
            except OSError as error:
                sentence = f"the model listens no more on port {self._port} ({error.strerror or error})"
                raise ReplicaLost(sentence, suspect=index) from None
            yield answer

    async def _answer(self, question: Question, until: float, started: int, since: float) -> Answer:
        bodies = await in_memory(question, self._ways.store)
        try:
            encoded = await self._encoded(question, bodies, until)
        except _Refusal as error:
            return _times(started, since).error(str(error), error.fault, {"status": str(error.status)})
        except Refused as error:
            return _times(started, since).error(str(error), error.fault)
        except Garbage as error:
            return _times(started, since).error(f"the model's answer cannot be read: {error}")
        except TooMuch:
            return _times(started, since).error(f"its outputs are larger than the limit of {self._ways.most} bytes")
        times = _times(started, since)
        if question.form is not Form.FILES:
            return times.answer(encoded)
        store = self._ways.store
        outputs = {name: await stored(name, body, store) for name, body in encoded.bodies.items()}
        return Answer(times.started, times.ended, times.latency, outputs)

    async def _encoded(self, question: Question, bodies: Mapping[str, bytes], until: float) -> Encoded:
        if question.form is Form.V2_REST:
            said = await self._inferred(RestBody(bodies[""], int(question.meta.get("json", -1))), until)
            meta = {"id": question.meta.get("id", "")} | ({"json": str(said.json)} if said.json >= 0 else {})
            return Encoded({"": said.body}, BINARY if said.json >= 0 else JSON, meta)
        read, heard = self._ways.translator.as_tensors, self._listener
        size = sum(map(len, bodies.values()))
        asked = await aside(lambda: read(question.form, bodies, question.meta, heard), size)
        said = await self._inferred(asked.request, until)
        return await aside(lambda: asked.answer(said), len(said.body))

    async def _inferred(self, request: RestBody, until: float) -> RestBody:
        headers = [("Content-Type", JSON if request.json < 0 else BINARY)]
        if request.json >= 0:
            headers.append((HEADER, str(request.json)))
        path = f"/v2/models/{quote(self._listener.name, safe='')}/infer"
        reply = await self._client.ask(
            Request("POST", path, request.body, tuple(headers)), until, self._ways.most + SLACK
        )
        if reply.status != OK:
            raise _Refusal(_words(reply), reply.status)
        length = reply.headers.get(HEADER, "")
        return RestBody(reply.body, int(length) if length.isascii() and length.isdigit() else -1)

    async def leave(self, timeout: float) -> None:
        """The protocol knows no farewell."""

    async def part(self) -> None:
        pass

    def close(self) -> None:
        self._client.close()


def _times(started: int, since: float) -> Times:
    return Times(started, now(), (monotonic() - since) * 1000)


def _tensors(body: bytes) -> TensorModel:
    """Raises Garbage."""
    try:
        said = msgspec.json.decode(body, type=_Metadata)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Garbage(f"its metadata are not those of the protocol ({error})") from None
    return TensorModel(said.platform or "container", tuple(_specs(said.inputs)), tuple(_specs(said.outputs)))


def _specs(tensors: Sequence[_Tensor]) -> Iterator[TensorSpec]:
    for one in tensors:
        if one.datatype not in DATATYPES:
            raise Garbage(f"the datatype of {one.name[:80]!r} is {one.datatype[:40]!r}")
        yield TensorSpec(one.name, one.datatype, tuple(one.shape))


def _listed(body: bytes) -> list[str]:
    """Names in [{"name": …}, …] or {"models": […]}."""
    said: Any = None
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = msgspec.json.decode(body)
    entries = said.get("models") if isinstance(said, dict) else said
    found = [one.get("name") if isinstance(one, dict) else one for one in entries] if isinstance(entries, list) else []
    return [one for one in found[:MOST_TENSORS] if isinstance(one, str) and one]


def _words(reply: Reply) -> str:
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if said := msgspec.json.decode(reply.body, type=_Error).error:
            return said
    text = " ".join(reply.body[:300].decode(errors="replace").split())
    return f"the model answered with status {reply.status}" + (f": {text}" if text else "")
