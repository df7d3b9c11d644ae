"""Triton's ModelConfig as JSON, and as the text of a config.pbtxt."""

from typing import Any

from google.protobuf import json_format, text_format

from headrace.api.oip.proto import model_config_pb2
from headrace.domain.errors import Invalid


def as_text(config: str) -> bytes:
    """Raises Invalid with what protobuf says of it."""
    try:
        message = json_format.Parse(config, model_config_pb2.ModelConfig())
    except json_format.ParseError as error:
        raise Invalid(f"the parameter 'config' is not the JSON of a ModelConfig: {error}") from None
    return text_format.MessageToString(message).encode()


def as_json(text: str) -> dict[str, Any]:
    """With the names of the fields, but for those that only newer servers know. Empty when it is no config."""
    try:
        message = text_format.Parse(text, model_config_pb2.ModelConfig(), allow_unknown_field=True)
        found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    except (text_format.ParseError, json_format.SerializeToJsonError, ValueError, RecursionError):
        return {}
    return found


def is_same(text: str, other: str) -> bool:
    """Whether two config.pbtxt say the same. False for a text that is no config."""
    try:
        one, two = (text_format.Parse(said, model_config_pb2.ModelConfig()) for said in (text, other))
    except text_format.ParseError:
        return False
    return bool(one == two)
