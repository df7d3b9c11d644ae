"""The first contract of model containers: GET /status, POST /run over a shared folder, POST /shutdown (type: file).

As the public template does it: all answers are JSON {message, statusCode, status}; one input runs at a time. What an
input's answer says wrong costs that input only; a connection that ends, or no answer in time, costs the replica.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import msgspec

from headrace.dialects.dialect import ReplicaInfo, Told
from headrace.dialects.forms import Refused, Times, Translator, aside, in_memory, size_of_rows
from headrace.dialects.framing import Garbage
from headrace.dialects.http_client import HttpClient, Reply, Request, TooMuch
from headrace.dialects.shared_folder import SharedFolder, Unreadable
from headrace.dialects.wire import Gone, Late
from headrace.domain.body import BodyStore, Given, whole
from headrace.domain.clock import now
from headrace.domain.errors import LimitReached, ModelFailed, ReplicaLost
from headrace.domain.image import Contract
from headrace.domain.question import Answer, Fault, Form, Output, Question
from headrace.domain.reach import Reach

OK, BAD = 200, 400
LARGEST_ANSWER = 1 << 20  # bytes of a /run's own answer: outputs are files
REFUSED_FOR = 3.0  # seconds in which a model may say that it is not ready, and then be
PAUSE = 0.1
SHOWN = 300  # characters
JSON_TYPE = (("Content-Type", "application/json"),)


class _Said(msgspec.Struct):
    message: str = ""


class Trouble(Exception):
    """One input has no answer; the replica goes on."""

    def __init__(self, sentence: str, fault: Fault = Fault.MODEL, status: int = 0) -> None:
        super().__init__(sentence)
        self.fault, self.status = fault, status


@dataclass(frozen=True, slots=True)
class Ways:
    """Where large bodies lie, how much one answer may hold, and who translates requests of other forms."""

    store: BodyStore
    most: int
    translator: Translator


class ModzyHttp:
    def __init__(self, reach: Reach, port: int, told: Told, ways: Ways) -> None:
        self._client = HttpClient(lambda: reach.connect(port))
        self._told, self._ways, self._port = told, ways, port
        self._folder = SharedFolder(reach.shared, ways.store, ways.most)

    async def ready(self, timeout: float) -> ReplicaInfo:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        patience = loop.time() + min(timeout, REFUSED_FOR)
        while True:
            try:
                reply = await self._client.ask(Request("GET", "/status"), until, LARGEST_ANSWER)
                if reply.status == OK and _is_ours(reply):
                    return ReplicaInfo(contract=Contract.MODZY_HTTP, port=self._port)
                why = f"the model is not ready: {_message(reply)}"
            except Late:
                raise LimitReached(f"the model was not ready within {timeout:g} s (timeout.status)") from None
            except (Garbage, TooMuch) as error:
                raise ModelFailed(f"the model's answer to GET /status cannot be read: {_why(error)}") from None
            except (OSError, Gone):
                why = "the model closed its connection while it was being loaded"
            if loop.time() > patience:
                raise ModelFailed(why)
            await asyncio.sleep(PAUSE)

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        for index, question in enumerate(questions):
            started, since = now(), monotonic()
            until = asyncio.get_running_loop().time() + timeout
            error: Trouble | Refused | None = None
            try:
                answer = await self._answer(question, until, started, since)
            except (Trouble, Refused) as failure:
                error = failure
            except Late:
                late = f"the model did not answer within {timeout:g} s (timeout.run)"
                raise LimitReached(late, suspect=index) from None
            except Gone:
                raise ReplicaLost("the model closed its connection before it had answered", suspect=index) from None
            except OSError as failure:
                sentence = f"the model listens no more on port {self._port} ({failure.strerror or failure})"
                raise ReplicaLost(sentence, suspect=index) from None
            if error is not None:
                status = getattr(error, "status", 0)
                meta = {"status": str(status)} if status else None
                answer = _times(started, since).error(str(error), error.fault, meta)
            yield answer

    async def _answer(self, question: Question, until: float, started: int, since: float) -> Answer:
        if question.form is Form.FILES:
            outputs = await self._ran(question.inputs, until, explain=question.explain)
            times = _times(started, since)
            return Answer(times.started, times.ended, times.latency, outputs)
        bodies = await in_memory(question, self._ways.store)
        body, read, told = bodies[""], self._ways.translator.as_files, self._told
        asked = await aside(lambda: read(question.form, body, question.meta, told), len(body))
        results = []
        for row in asked.rows:
            outputs = await self._ran(row, until, explain=question.explain)
            results.append({name: await whole(one.body, self._ways.store) for name, one in outputs.items()})
        return _times(started, since).answer(await aside(lambda: asked.answer(results), size_of_rows(results)))

    async def _ran(self, inputs: Mapping[str, Given], until: float, *, explain: bool) -> dict[str, Output]:
        """Raises Trouble, Late, Gone, OSError."""
        try:
            turn = await self._folder.put(inputs)
        except Unreadable as error:
            raise Trouble(str(error), Fault.REQUEST) from None
        try:
            job = {"type": "file", "input": turn.input, "output": turn.output} | ({"explain": True} if explain else {})
            request = Request("POST", "/run", msgspec.json.encode(job), JSON_TYPE)
            try:
                reply = await self._client.ask(request, until, LARGEST_ANSWER)
            except (Garbage, TooMuch) as error:
                raise Trouble(f"the model's answer to POST /run cannot be read: {_why(error)}") from None
            if reply.status != OK:
                raise Trouble(_message(reply), status=reply.status if reply.status >= BAD else 0)
            if not _is_ours(reply):
                raise Trouble(_message(reply))
            outputs = await self._folder.take(turn)
        except Unreadable as error:
            raise Trouble(str(error)) from None
        finally:
            await self._folder.clear(turn)
        if missing := [name for name in self._told.outputs if name not in outputs]:
            raise Trouble(f"the model did not write its output {', '.join(missing)}")
        if not outputs:
            raise Trouble("the model wrote no output")
        return outputs

    async def leave(self, timeout: float) -> None:
        """The connection may drop instead of an answer: both are fine."""
        until = asyncio.get_running_loop().time() + timeout
        with suppress(OSError, Gone, Late, Garbage, TooMuch):
            await self._client.ask(Request("POST", "/shutdown"), until, LARGEST_ANSWER)

    async def part(self) -> None:
        pass

    def close(self) -> None:
        self._client.close()
        self._folder.close()


def _times(started: int, since: float) -> Times:
    return Times(started, now(), (monotonic() - since) * 1000)


def _message(reply: Reply) -> str:
    """What the model says, if it says it as the contract wants; else the beginning of what it says."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = msgspec.json.decode(reply.body, type=_Said)
        if said.message:
            return said.message
    text = " ".join(reply.body[:SHOWN].decode(errors="replace").split())
    form = "" if _is_ours(reply) else ", and not in JSON"
    return f"the model answered with status {reply.status}{form}" + (f": {text}" if text else "")


def _is_ours(reply: Reply) -> bool:
    """Every answer of the contract is a JSON object; another web server answers 200 too."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        msgspec.json.decode(reply.body, type=_Said)
        return True
    return False


def _why(error: Exception) -> str:
    return f"it is longer than {LARGEST_ANSWER} bytes" if isinstance(error, TooMuch) else str(error)
