"""JSON Schema of inputs. Loaded only when a version has one: most have none, and the library is slow to load."""

from functools import lru_cache
from typing import Any

import jsonschema
import msgspec
import referencing
import referencing.exceptions

from headrace.domain.errors import Invalid


def check(text: str) -> None:
    """Raises Invalid for text that can never be an inputValidationSchema."""
    try:
        _validator(text)
    except msgspec.DecodeError as error:
        raise Invalid(f"inputValidationSchema is not JSON: {error}") from None
    except jsonschema.SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path)
        raise Invalid(f"inputValidationSchema is not a JSON schema: at /{where}: {error.message[:300]}") from None


def refusal(name: str, body: bytes, schema: str) -> str | None:
    """The sentence with which the body of this input fails, or None."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        return f"{name} is not JSON: {error}"
    try:
        wrong = next(_validator(schema).iter_errors(value), None)
    except (msgspec.DecodeError, jsonschema.SchemaError, referencing.exceptions.Unresolvable, RecursionError):
        return None  # a schema that cannot be applied is its author's mistake, not this caller's
    if wrong is None:
        return None
    where = "/".join(str(part) for part in wrong.absolute_path)
    return f"{name} does not match the model's schema: at /{where}: {wrong.message[:300]}"


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    """An empty registry, so that nothing is ever fetched for a `$ref`."""
    parsed = msgspec.json.decode(schema.encode())
    kind = jsonschema.validators.validator_for(parsed, default=jsonschema.Draft202012Validator)
    kind.check_schema(parsed)
    return kind(parsed, registry=referencing.Registry())
