"""generate and the routes that answer in events."""

import json

import pytest
from rooms.api.oip.served import Echo, publish, request

from headrace.api.oip import generate
from headrace.domain.errors import Invalid
from headrace.domain.tensor import TensorModel, TensorSpec


def model(*inputs, batch=0):
    return TensorModel("p", tuple(TensorSpec(*one) for one in inputs), (), batch)


TEXT = model(("text_input", "BYTES", (1,)))


@pytest.mark.parametrize(
    ("body", "tensors", "inputs", "parameters"),
    [
        ({"text_input": "hi"}, TEXT, [("text_input", "BYTES", [1], ["hi"])], None),
        (
            {"text_input": "hi", "max_tokens": 5, "parameters": {"stop": ["x"]}},
            TEXT,
            [("text_input", "BYTES", [1], ["hi"])],
            {"stop": ["x"], "max_tokens": 5},
        ),
        (
            {"A": [[1, 2], [3, 4]]},
            model(("A", "INT32", (-1, 4)), batch=8),
            [("A", "INT32", [1, 4], [1, 2, 3, 4])],
            None,
        ),
        ({"A": [1, 2, 3]}, model(("A", "FP32", (-1,))), [("A", "FP32", [3], [1, 2, 3])], None),
        ({"A": [1, 2, 3, 4]}, model(("A", "FP32", (-1, 2, -1))), [("A", "FP32", [2, 2, 1], [1, 2, 3, 4])], None),
        ({"A": 2**64 - 1}, model(("A", "UINT64", (1,))), [("A", "UINT64", [1], [2**64 - 1])], None),
        ({"A": 7}, model(("A", "INT8", ())), [("A", "INT8", [], [7])], None),
        (
            {"A": [1], "B": [1.5], "C": [True], "D": "x"},
            model(),
            [
                ("A", "INT64", [1], [1]),
                ("B", "FP64", [1], [1.5]),
                ("C", "BOOL", [1], [True]),
                ("D", "BYTES", [1], ["x"]),
            ],
            None,
        ),
    ],
)
def test_what_is_asked(body, tensors, inputs, parameters):
    made = json.loads(generate.request(json.dumps(body).encode(), tensors))
    assert inputs == [(one["name"], one["datatype"], one["shape"], one["data"]) for one in made["inputs"]]
    assert parameters == made.get("parameters")


@pytest.mark.parametrize(
    ("body", "tensors", "says"),
    [
        ({"text_input": ["a", "b"]}, TEXT, "`text_input` has 2 elements, which do not fit the shape"),
        ({"A": [1, 2, 3]}, model(("A", "FP32", (-1, 2))), "3 elements"),
        ({"A": []}, model(("A", "FP32", (1,))), "0 elements"),
        ({"A": {"x": 1}}, model(("A", "FP32", (1,))), "a tensor's value should be"),
        ({"text": "hi"}, TEXT, "no key that is an input of the model: `text_input`"),
        ({}, model(), "there is none"),
        ({"parameters": 3}, TEXT, "`parameters` should be an object"),
        ([1], TEXT, "should be an object"),
    ],
)
def test_what_is_refused(body, tensors, says):
    with pytest.raises(Invalid, match=says.replace("(", r"\(")):
        generate.request(json.dumps(body).encode(), tensors)


def test_lists_in_lists_in_lists():
    body = b'{"A":' + b"[" * 500 + b"1" + b"]" * 500 + b"}"
    with pytest.raises(Invalid, match="nest"):
        generate.request(body, model(("A", "FP32", (1,))))


def test_what_is_an_infer_request_already():
    raw = json.dumps(request()).encode()
    assert raw is generate.request(raw, TEXT)


def test_what_is_answered():
    outputs = [{"name": "one", "data": [7]}, {"name": "two", "data": [1, 2]}, {"name": "none", "data": []}]
    said = {"id": "q", "model_name": "m", "model_version": "1", "outputs": outputs, "parameters": {"p": 1}}
    expected = {"model_name": "m", "model_version": "1", "one": 7, "two": [1, 2], "none": [], "p": 1}
    raw = json.dumps(said).encode()
    assert expected == json.loads(generate.answer(raw, with_id=False))
    assert {"id": "q"} | expected == json.loads(generate.answer(raw, with_id=True))


def test_numbers_may_be_bare():
    raw = b'{"A": [NaN, -Infinity, 1], "id": "q", "p": "NaN"}'
    made = json.loads(generate.request(raw, model(("A", "FP32", (-1,)))))
    assert ["nan", "-inf", "1"] == [str(one) for one in made["inputs"][0]["data"]]
    assert generate.has_id(raw)
    said = b'{"model_name":"m","model_version":"1","outputs":[{"name":"one","data":[NaN]}]}'
    assert b'{"model_name":"m","model_version":"1","one":NaN}' == generate.answer(said, with_id=False)


@pytest.mark.parametrize("body", [b'{"A": NaN', b"[NaN]", b'{"A": NaN, "B": ' + b"9" * 5_000 + b"}", b'"Infinity" 7'])
def test_what_is_no_json_all_the_same(body):
    with pytest.raises(Invalid, match="body"):
        generate.request(body, model(("A", "FP32", (-1,))))


@pytest.mark.parametrize("body", [{"binary_data_output": True}, {"parameters": {"binary_data_output": True, "p": 1}}])
def test_a_plain_object_is_never_binary(body):
    made = json.loads(generate.request(json.dumps({"text_input": "hi"} | body).encode(), TEXT))
    assert "binary_data_output" not in made.get("parameters", {})


def test_an_event_is_one_line():
    assert b'data: {"a":  1}\n\n' == generate.event(b'{"a": \n1}')


# routes


async def test_generate(client):
    answer = await client.post("/v2/models/echo/generate", json={"IN": [1, 2, 3, 4], "id": "q"})
    expected = {"id": "q", "model_name": "echo", "model_version": "1.0.0", "OUT": [1, 2, 3, 4]}
    assert (200, expected) == (answer.status_code, answer.json())
    assert "id" not in (await client.post("/v2/models/echo/versions/1/generate", json={"IN": [1, 2, 3, 4]})).json()


async def test_generate_as_mlserver_has_it(client):
    answer = await client.post("/v2/models/echo/generate", json=request())
    assert [1.0, 2.0, 3.0, 4.0] == answer.json()["outputs"][0]["data"]


async def test_generate_stream(client):
    answer = await client.post("/v2/models/echo/generate_stream", json={"IN": [1, 2, 3, 4]})
    assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
    assert answer.content.startswith(b"data: {")
    assert answer.content.endswith(b"}\n\n")
    assert [1, 2, 3, 4] == json.loads(answer.content[6:])["OUT"]


async def test_infer_stream(client):
    answer = await client.post("/v2/models/echo/infer_stream", json=request(), headers={"Accept-Encoding": "gzip"})
    assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
    assert [1.0, 2.0, 3.0, 4.0] == json.loads(answer.content[6:])["outputs"][0]["data"]


@pytest.mark.parametrize("route", ["generate", "generate_stream", "infer_stream"])
async def test_errors_come_as_json(client, route):
    path = f"/v2/models/echo/{route}"
    failing = await client.post(path, json=request(parameters={"fault": "request"}))
    assert (400, {"error": "boom from model"}) == (failing.status_code, failing.json())
    assert 404 == (await client.post(f"/v2/models/nope/{route}", json={})).status_code
    assert 400 == (await client.post(path, content=b"{")).status_code
    assert 401 == (await client.post(path, json={}, headers={"Authorization": ""})).status_code


async def test_a_models_error_in_generate_is_a_400(client):
    answer = await client.post("/v2/models/echo/generate", json={"IN": [1, 2, 3, 4], "fault": "model"})
    assert (400, {"error": "boom from model"}) == (answer.status_code, answer.json())


async def test_generate_is_not_packed(client):
    answer = await client.post("/v2/models/echo/generate", content=b"x", headers={"Content-Encoding": "gzip"})
    assert (400, True) == (answer.status_code, "only 'identity' is supported" in answer.json()["error"])


async def test_a_text_model(home, client):
    await publish(home, "llm", tensors=TEXT, dialect=Echo())
    answer = (await client.post("/v2/models/llm/generate", json={"text_input": "hi"})).json()
    assert "hi" == answer["OUT"]
