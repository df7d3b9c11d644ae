"""Triton's ModelConfig as JSON, made the text of a config.pbtxt."""

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
