"""OpenAI's routes through the app: the models of everybody, answers whole and in pieces, errors in its words."""

import json

import pytest
from rooms.api.oip.conftest import echo, home, in_memory  # noqa: F401 - fixtures
from rooms.api.oip.served import publish
from rooms.api.oip.test_model_routes import Speaker

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.account import Role
from headrace.domain.question import Answer, Fault, Form, Output
from headrace.domain.tensor import TensorModel, TensorSpec

TEXT_OUT = (TensorSpec("text_output", "BYTES", (1,)),)
WRITER = TensorModel("python", (TensorSpec("text_input", "BYTES", (1,)),), TEXT_OUT, streams="also")
PLAIN = TensorModel("python", (TensorSpec("text_input", "BYTES", (1,)),), TEXT_OUT)
EMBEDDER = TensorModel(
    "python", (TensorSpec("text_input", "BYTES", (-1,)),), (TensorSpec("embedding", "FP32", (-1, 2)),)
)


class Writer:
    """Says each word of its text; "fail" is an error, "refuse" the request's fault."""

    def __init__(self, tensors):
        self.tensors, self.parameters = tensors, []

    async def ready(self, _timeout):
        return ReplicaInfo(tensors=self.tensors)

    async def run(self, questions, _timeout):
        for question in questions:
            assert question.form is Form.V2_REST
            asked = json.loads(question.inputs[""])
            self.parameters.append(asked.get("parameters"))
            texts = asked["inputs"][0]["data"]
            if self.tensors is EMBEDDER:
                yield said("embedding", [[len(text), 0.5] for text in texts], "FP32")
                continue
            words = texts[0].split() if question.stream else [texts[0]]
            for word in words:
                if word in ("fail", "refuse"):
                    yield Answer(
                        1, 2, 0.5, error="not this one", fault=Fault.MODEL if word == "fail" else Fault.REQUEST
                    )
                    return
                yield said("text_output", [word], "BYTES", more=question.stream)
            if question.stream:
                yield Answer(1, 2, 0.5, meta={"empty": "1"})

    def close(self):
        pass


def said(name, rows, datatype, *, more=False):
    data = [one for row in rows for one in (row if isinstance(row, list) else [row])]
    body = {"model_name": "m", "outputs": [{"name": name, "datatype": datatype, "shape": [len(rows)], "data": data}]}
    return Answer(1, 2, 0.5, {"": Output(json.dumps(body).encode(), "application/json")}, more=more)


@pytest.fixture
async def client(home):  # noqa: F811 - the fixture
    for name, tensors in (("writer", WRITER), ("plain", PLAIN), ("embedder", EMBEDDER)):
        await publish(home, name, tensors=tensors, dialect=Writer(tensors))
    async with in_memory(home) as found:
        yield found


def events(answer):
    lines = [line for line in answer.text.split("\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    return [line[6:] if line == "data: [DONE]" else json.loads(line[6:]) for line in lines]


async def test_models_of_texts_only(client):
    found = (await client.get("/v1/models")).json()
    assert ("list", {"writer", "plain", "embedder"}) == (found["object"], {one["id"] for one in found["data"]})
    one = (await client.get("/v1/models/writer")).json()
    assert ("model", "writer", int) == (one["object"], one["id"], type(one["created"]))
    assert 404 == (await client.get("/v1/models/echo")).status_code


@pytest.mark.parametrize(("model", "text"), [("writer", "ab"), ("plain", "a b")])
async def test_a_completion(client, model, text):
    found = (await client.post("/v1/completions", json={"model": model, "prompt": "a b", "max_tokens": 5})).json()
    assert ("text_completion", model) == (found["object"], found["model"])
    assert [{"index": 0, "finish_reason": "stop", "text": text}] == found["choices"]


async def test_a_completion_of_several_prompts(client):
    found = (await client.post("/v1/completions", json={"model": "plain", "prompt": ["a", "b"]})).json()
    assert [(0, "a"), (1, "b")] == [(one["index"], one["text"]) for one in found["choices"]]
    both = {"model": "plain", "prompt": ["a", "b"], "stream": True}
    assert 400 == (await client.post("/v1/completions", json=both)).status_code


async def test_a_chat(client):
    body = {"model": "plain", "messages": [{"role": "user", "content": "Hi there"}]}
    found = (await client.post("/v1/chat/completions", json=body)).json()
    [choice] = found["choices"]
    assert ("chat.completion", {"role": "assistant", "content": "Hi there"}) == (found["object"], choice["message"])


@pytest.mark.parametrize(("model", "pieces"), [("writer", ["Hi", "there"]), ("plain", ["Hi there"])])
async def test_pieces(client, model, pieces):
    messages = [{"role": "user", "content": "Hi there"}]
    answer = await client.post("/v1/chat/completions", json={"model": model, "messages": messages, "stream": True})
    *found, end, done = events(answer)
    assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
    assert pieces == [one["choices"][0]["delta"]["content"] for one in found]
    assert ["assistant", *[None] * (len(pieces) - 1)] == [one["choices"][0]["delta"].get("role") for one in found]
    assert ({}, "stop", "[DONE]") == (end["choices"][0]["delta"], end["choices"][0]["finish_reason"], done)
    assert {"chat.completion.chunk"} == {one["object"] for one in found}
    assert 1 == len({one["id"] for one in (*found, end)})


async def test_embeddings(client):
    found = (await client.post("/v1/embeddings", json={"model": "embedder", "input": ["one", "three"]})).json()
    assert [[3, 0.5], [5, 0.5]] == [one["embedding"] for one in found["data"]]
    coded = {"model": "embedder", "input": "one", "encoding_format": "base64"}
    assert isinstance((await client.post("/v1/embeddings", json=coded)).json()["data"][0]["embedding"], str)
    wrong = await client.post("/v1/embeddings", json={"model": "plain", "input": "one"})
    assert (400, "invalid_request_error") == (wrong.status_code, wrong.json()["error"]["type"])


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"model": "nobody", "prompt": "a"}, 404, "not_found_error"),
        ({"model": "echo", "prompt": "a"}, 404, "not_found_error"),
        ({"prompt": "a"}, 400, "invalid_request_error"),
        ({"model": "plain"}, 400, "invalid_request_error"),
        ({"model": "plain", "prompt": "a", "n": 2}, 400, "invalid_request_error"),
        ({"model": "plain", "prompt": "fail"}, 500, "server_error"),
        ({"model": "plain", "prompt": "refuse"}, 400, "invalid_request_error"),
        ({"model": "plain", "prompt": "fail", "stream": True}, 500, "server_error"),
        ({"model": "embedder", "prompt": "a"}, 400, "invalid_request_error"),
    ],
)
async def test_errors_in_its_words(client, body, status, kind):
    answer = await client.post("/v1/completions", json=body)
    assert (status, kind) == (answer.status_code, answer.json()["error"]["type"])
    assert {"message", "type", "param", "code"} == set(answer.json()["error"])


async def test_a_stream_that_breaks_says_so(client):
    answer = await client.post("/v1/completions", json={"model": "writer", "prompt": "a b fail c", "stream": True})
    *found, broken = events(answer)
    assert ["a", "b"] == [one["choices"][0]["text"] for one in found]
    assert "not this one" == broken["error"]["message"]


async def test_the_key_is_asked_for(client, home):  # noqa: F811 - the fixture
    assert 401 == (await client.get("/v1/models", headers={"Authorization": ""})).status_code
    auditor = {"Authorization": f"Bearer {await home.key_of('a@example.com', Role.AUDITOR)}"}
    refused = await client.post("/v1/completions", json={"model": "plain", "prompt": "a"}, headers=auditor)
    assert (403, "permission_error") == (refused.status_code, refused.json()["error"]["type"])
    assert (404, "not_found_error") == ((odd := await client.get("/v1/odd")).status_code, odd.json()["error"]["type"])


async def test_a_model_with_the_path_itself_comes_first(client, home):  # noqa: F811 - the fixture
    own = TensorModel("mlserver", routes=(("POST", "/v1/completions"),))
    await publish(home, "own", tensors=own, dialect=Speaker())
    answer = await client.post("/v1/completions", content=b"raw")
    assert (201, b"raw") == (answer.status_code, answer.content)
