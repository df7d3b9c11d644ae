"""Completions, chats and embeddings as OpenAI's clients send them, as requests to a model's tensors and back. Pure.

A model that takes `text_input` and gives `text_output`, both BYTES, completes texts. Chats go to the input `messages`
as JSON where the model has one, for models with a template of their own; else to `text_input`, a paragraph for each
message. A model that gives the numbers `embedding` embeds texts. All else that a request says becomes parameters.
"""

import base64
import struct
from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.api.oip import generate
from headrace.domain.errors import Invalid
from headrace.domain.tensor import TensorModel

TEXT, CHAT, TEXT_OUT, EMBEDDING = "text_input", "messages", "text_output", "embedding"
MOST = 256  # texts in one request
_SHAPE = frozenset({"model", "prompt", "messages", "input", "stream", "stream_options", "encoding_format", "n", "user"})


def completes(tensors: TensorModel) -> bool:
    return _has(tensors.outputs, TEXT_OUT) and (_has(tensors.inputs, TEXT) or _has(tensors.inputs, CHAT))


def embeds(tensors: TensorModel) -> bool:
    return _has(tensors.outputs, EMBEDDING) and _has(tensors.inputs, TEXT)


def prompts(body: Mapping[str, Any], key: str = "prompt") -> list[str]:
    """Raises Invalid."""
    given = body.get(key)
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise Invalid(f"`{key}` should be a text or a list of texts: numbers of tokens are not known here")
    if len(found) > MOST:
        raise Invalid(f"`{key}` has {len(found)} texts; {MOST} are allowed")
    return found


def completion(body: Mapping[str, Any], text: str, tensors: TensorModel) -> bytes:
    """The infer request for one prompt. Raises Invalid."""
    if not _has(tensors.inputs, TEXT):
        raise Invalid(f"this model completes no texts: it has no input `{TEXT}`")
    return _request({TEXT: text}, body, tensors)


def chat(body: Mapping[str, Any], tensors: TensorModel) -> bytes:
    """Raises Invalid."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise Invalid("`messages` should be a list of messages, each an object with `role` and `content`")
    if _has(tensors.inputs, CHAT):
        return _request({CHAT: msgspec.json.encode(messages).decode()}, body, tensors)
    return _request({TEXT: _paragraphs(messages)}, body, tensors)


def embedding(body: Mapping[str, Any], texts: list[str], tensors: TensorModel) -> bytes:
    """One request for all texts where the model takes any number, and there is one to a text. Raises Invalid."""
    return _request({TEXT: texts}, body, tensors)


def text_of(answer: bytes) -> str:
    """What the model says, in an infer response. Raises Invalid when it says nothing of that kind."""
    found = next((one for one in _outputs(answer) if one["name"] == TEXT_OUT), None)
    if found is None or found.get("datatype") != "BYTES":
        raise Invalid(f"the model gave no text: its output `{TEXT_OUT}` should be BYTES")
    return "".join(found["data"])


def vectors_of(answer: bytes, count: int) -> list[list[float]]:
    """One for each text. Raises Invalid."""
    found = next((one for one in _outputs(answer) if one["name"] == EMBEDDING), None)
    data = [] if found is None else found["data"]
    if not data or len(data) % count or not all(isinstance(one, int | float) for one in data):
        raise Invalid(
            f"the model gave no embeddings: its output `{EMBEDDING}` should hold numbers, as many for each text"
        )
    size = len(data) // count
    return [data[start : start + size] for start in range(0, len(data), size)]


def shown(vector: list[float], encoding: object) -> list[float] | str:
    """Raises Invalid."""
    if encoding in (None, "float"):
        return vector
    if encoding != "base64":
        raise Invalid("`encoding_format` should be float or base64")
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _request(given: dict[str, Any], body: Mapping[str, Any], tensors: TensorModel) -> bytes:
    said = {key: value for key, value in body.items() if key not in _SHAPE and value is not None}
    return generate.request(msgspec.json.encode({**given, "parameters": said}), tensors)


def _paragraphs(messages: list[dict[str, Any]]) -> str:
    """A single message is its content; else each has its role before it."""
    texts = [(str(one.get("role", "user")), _content(one.get("content"))) for one in messages]
    return texts[0][1] if len(texts) == 1 else "\n\n".join(f"{role}: {text}" for role, text in texts)


def _content(given: object) -> str:
    """A text, or parts that are texts. Raises Invalid."""
    if isinstance(given, str):
        return given
    parts = given if isinstance(given, list) else []
    found = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    if not found or len(found) < len(parts) or not all(isinstance(one, str) for one in found):
        raise Invalid(f"`content` should be text here: for anything else the model needs an input `{CHAT}`")
    return "".join(str(one) for one in found)


def _outputs(answer: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(answer, type=dict[str, Any]).get("outputs", [])
    return found


def _has(specs: tuple[Any, ...], name: str) -> bool:
    return any(one.name == name for one in specs)
