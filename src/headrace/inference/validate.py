"""Whether a version can run an input at all: names, sizes, media types, and its schema. Pure.

The rule of `inputValidationSchema`: it is a JSON Schema for the content of every input that the version declares as
JSON (application/json or a type ending in +json). It is applied to bodies of at most 64 KiB; larger ones are passed
on undecoded, and the model sees for itself. A schema may not refer to other documents.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from headrace.domain.body import Body, size_of
from headrace.domain.errors import Invalid
from headrace.domain.version import InputSpec, Version

SAID = 5  # names listed in a sentence before it says "and others"
SCHEMA_LIMIT = 64 * 1024  # characters
_JSON_SCHEMA = "headrace.inference.json_schema"

_INPUTS = b'"inputs"'
_UNSPECIFIC = frozenset({"", "application/octet-stream", "text/plain"})  # what clients say when they do not know


def refusal(version: Version, bodies: Mapping[str, Body], declared: Mapping[str, str] | None = None) -> str | None:
    """The sentence with which this input fails, or None. `declared`: media types that the caller named himself.

    A version that declares no inputs takes whatever it is given, one that takes tensors also a request for all of them.
    """
    if not bodies:
        return (
            f"the input has no content: give it {_names(spec.name for spec in version.inputs) or 'a name and a body'}"
        )
    if not version.inputs:
        return None
    specs = {spec.name: spec for spec in version.inputs}
    if sentence := _wrong_names(specs, bodies):
        return None if is_request(version, bodies) else sentence
    for name, body in bodies.items():
        media_type = (declared or {}).get(name, "")
        if sentence := _wrong_body(specs[name], body, media_type, version.input_validation_schema):
            return sentence
    return None


def is_request(version: Version, bodies: Mapping[str, Body]) -> bool:
    """One file, of whatever name, that may be an Open Inference request: then it holds the tensors of all inputs.

    The replica sees whether it is one; a body that is stored is not opened here.
    """
    if version.tensors is None or len(bodies) != 1:
        return False
    [body] = bodies.values()
    return not isinstance(body, bytes) or (body.lstrip()[:1] == b"{" and _INPUTS in body)


def check_schema(text: str) -> None:
    """Raises Invalid for text that can never be an inputValidationSchema; "" means that there is none."""
    if not text.strip():
        return
    if len(text) > SCHEMA_LIMIT:
        raise Invalid(f"inputValidationSchema has {len(text)} characters, and {SCHEMA_LIMIT} are allowed")
    importlib.import_module(_JSON_SCHEMA).check(text)


def _wrong_names(specs: Mapping[str, InputSpec], bodies: Mapping[str, Body]) -> str | None:
    if bodies.keys() == specs.keys():
        return None
    takes = f"this model takes {_names(specs)}"
    if missing := [name for name in specs if name not in bodies]:
        return f"expected input file does not exist: {_names(missing)} ({takes})"
    if unknown := [name for name in bodies if name not in specs]:
        return f"the model does not know the input {_names(unknown)} ({takes})"
    return None


def _wrong_body(spec: InputSpec, body: Body, media_type: str, schema: str) -> str | None:
    size = size_of(body)
    if spec.maximum_size and size > spec.maximum_size:
        return f"{spec.name} has {size} bytes, and the model takes at most {spec.maximum_size}"
    accepted = [part.strip().lower() for part in spec.accepted_media_types.split(",") if part.strip()]
    if not _accepts(accepted, media_type):
        return f"{spec.name} is {media_type[:100]}, and the model takes {', '.join(accepted[:SAID])}"
    if schema.strip() and isinstance(body, bytes) and any(_is_json(kind) for kind in accepted):
        refused: str | None = importlib.import_module(_JSON_SCHEMA).refusal(spec.name, body, schema)
        return refused
    return None


def _accepts(accepted: list[str], media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    if kind in _UNSPECIFIC or not accepted:
        return True
    family = kind.partition("/")[0]
    return any(one.partition(";")[0] in {kind, f"{family}/*", "*/*", "*"} for one in accepted)


def _is_json(kind: str) -> bool:
    kind = kind.partition(";")[0]
    return kind == "application/json" or kind.endswith("+json")


def _names(names: Any) -> str:
    listed = list(names)
    more = " and others" if len(listed) > SAID else ""
    return ", ".join(str(name)[:100] for name in listed[:SAID]) + more
