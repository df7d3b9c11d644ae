"""A replica that counts: as many answers to a question as it asks for, each when its gate is opened."""

import asyncio
import json

from headrace.api.oip.proto.inference_pb2 import ModelInferRequest, ModelInferResponse
from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.clock import now
from headrace.domain.errors import ReplicaLost
from headrace.domain.question import Answer, Form, Output, Question
from headrace.domain.tensor import TensorModel, TensorSpec

COUNTS = TensorModel("test", (TensorSpec("n", "INT32", (1,)),), (TensorSpec("i", "INT32", (1,)),), streams="only")


class Counter:
    """`gate`: a permit for each answer after the first, where a question says that it waits."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(0)
        self.made = self.refused = self.ended = 0
        self.stopped = asyncio.Event()  # nobody wants the rest

    async def ready(self, _timeout):
        return ReplicaInfo(tensors=COUNTS)

    def refuse(self) -> None:
        self.refused += 1
        self.stopped.set()

    async def run(self, questions, _timeout):
        [question] = questions
        assert question.stream
        self.stopped.clear()
        asked = parameters(question)
        at = now()
        for number in range(asked.get("n", 0)):
            if number and asked.get("wait"):
                await self._may()
            if self.stopped.is_set():
                break
            if asked.get("fail") == number:
                yield Answer(at, now(), 1.0, error="no more")
                self.ended += 1
                return
            if asked.get("die") == number:
                raise ReplicaLost("it died", suspect=0)
            self.made += 1
            meta = {"id": asked["id"]} if asked["id"] else {}
            yield Answer(at, now(), 1.0, {"": output(question, asked, number)}, meta=meta, more=True)
        self.ended += 1
        yield Answer(at, now(), 1.0, meta={"empty": "1"})

    async def _may(self) -> None:
        """Until the gate opens, or nobody wants more."""
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(self.gate.acquire()), group.create_task(self.stopped.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()

    def close(self):
        pass


def parameters(question: Question) -> dict[str, int]:
    body = question.inputs[""]
    if question.form is Form.V2_GRPC:
        request = ModelInferRequest.FromString(body)
        return {"id": request.id, **{name: one.int64_param for name, one in request.parameters.items()}}
    said = json.loads(body)
    return {"id": said.get("id", ""), **said.get("parameters", {})}


def output(question: Question, asked: dict[str, int], number: int) -> Output:
    if question.form is Form.V2_GRPC:
        response = ModelInferResponse(model_name=question.meta["model"], model_version="1.0.0", id=asked["id"])
        response.outputs.add(name="i", datatype="INT32", shape=[1])
        response.raw_output_contents.append(number.to_bytes(4, "little"))
        return Output(response.SerializeToString(), "application/octet-stream")
    tensor = {"name": "i", "datatype": "INT32", "shape": [1], "data": [number]}
    said = {"model_name": "counts", "model_version": "1.0.0", "id": asked["id"], "outputs": [tensor]}
    return Output(json.dumps(said).encode(), "application/json")


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
