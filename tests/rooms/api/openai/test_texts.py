"""What OpenAI's clients say, in tensors and back."""

import base64
import json
import struct

import pytest

from headrace.api.openai import texts
from headrace.domain.errors import Invalid
from headrace.domain.tensor import TensorModel, TensorSpec

TEXT_IN, TEXT_OUT = TensorSpec("text_input", "BYTES", (1,)), TensorSpec("text_output", "BYTES", (-1,))
WRITER = TensorModel("python", (TEXT_IN,), (TEXT_OUT,))
TALKER = TensorModel("python", (TensorSpec("messages", "BYTES", (1,)),), (TEXT_OUT,))
EMBEDDER = TensorModel(
    "python", (TensorSpec("text_input", "BYTES", (-1,)),), (TensorSpec("embedding", "FP32", (-1, 2)),)
)


def tensors(raw):
    asked = json.loads(raw)
    return {one["name"]: (one["shape"], one["data"]) for one in asked["inputs"]}, asked.get("parameters")


def answer(name, data, datatype="BYTES"):
    return json.dumps({"outputs": [{"name": name, "datatype": datatype, "shape": [len(data)], "data": data}]}).encode()


def test_a_prompt_is_the_text_and_all_else_parameters():
    body = {"model": "m", "prompt": "Once", "stream": True, "max_tokens": 7, "stop": ["."], "seed": None}
    assert ({"text_input": ([1], ["Once"])}, {"max_tokens": 7, "stop": ["."]}) == tensors(
        texts.completion(body, "Once", WRITER)
    )


@pytest.mark.parametrize("prompt", [None, [], [1, 2], [[1]], 5, ["a"] * 257])
def test_what_is_no_prompt(prompt):
    with pytest.raises(Invalid, match="`prompt`"):
        texts.prompts({"prompt": prompt})


def test_messages_go_as_they_are_where_the_model_takes_them():
    messages = [{"role": "user", "content": "Hi", "name": "Ann"}]
    [(shape, [text])] = tensors(texts.chat({"messages": messages}, TALKER))[0].values()
    assert ([1], messages) == (shape, json.loads(text))


def test_else_as_paragraphs():
    parts = [{"type": "text", "text": "He"}, {"type": "text", "text": "llo"}]
    alone = texts.chat({"messages": [{"role": "user", "content": parts}]}, WRITER)
    assert {"text_input": ([1], ["Hello"])} == tensors(alone)[0]
    both = texts.chat({"messages": [{"role": "system", "content": "Be kind."}, {"content": "Hi"}]}, WRITER)
    assert {"text_input": ([1], ["system: Be kind.\n\nuser: Hi"])} == tensors(both)[0]


@pytest.mark.parametrize(
    "messages", [None, [], "Hi", ["Hi"], [{"role": "user"}], [{"content": [{"type": "image_url", "image_url": {}}]}]]
)
def test_what_are_no_messages(messages):
    with pytest.raises(Invalid):
        texts.chat({"messages": messages}, WRITER)


def test_embeddings_are_one_request_and_a_vector_each():
    assert ([2], ["a", "b"]) == tensors(texts.embedding({}, ["a", "b"], EMBEDDER))[0]["text_input"]
    assert [[1, 2], [3, 4.5]] == texts.vectors_of(answer("embedding", [1, 2, 3, 4.5], "FP32"), 2)
    for wrong in (answer("other", [1.0]), answer("embedding", [1, 2, 3], "FP32"), answer("embedding", ["a", "b"])):
        with pytest.raises(Invalid, match="gave no embeddings"):
            texts.vectors_of(wrong, 2)


def test_vectors_as_clients_want_them():
    assert [0.5, 1.0] == texts.shown([0.5, 1.0], "float")
    assert struct.pack("<2f", 0.5, 1.0) == base64.b64decode(texts.shown([0.5, 1.0], "base64"))
    with pytest.raises(Invalid, match="float or base64"):
        texts.shown([0.5], "hex")


def test_which_models_are_for_texts():
    assert (True, False) == (texts.completes(WRITER), texts.embeds(WRITER))
    assert (True, False) == (texts.completes(TALKER), texts.embeds(TALKER))
    assert (False, True) == (texts.completes(EMBEDDER), texts.embeds(EMBEDDER))
    with pytest.raises(Invalid, match="gave no text"):
        texts.text_of(answer("other", ["a"]))
