"""What the front reads of an inference request's parameters; most have none of it. Tensors are never looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from headrace.api.oip import bare
from headrace.domain.errors import Invalid
from headrace.inference.ask import Step

LARGEST = (1 << 64) - 1  # of our numbers
LONGEST_ID = 256  # characters
SHOWN = 60  # characters of a wrong value
TIMEOUT, SEQUENCE = "timeout", "sequence_id"  # parameters
_TIMEOUT, _SEQUENCE = (f'"{name}"'.encode() for name in (TIMEOUT, SEQUENCE))
_U_OF_TIMEOUT, _U_OF_SEQUENCE = _TIMEOUT.index(b"u"), _SEQUENCE.index(b"u")
SMALL = 1_000  # bytes
FEW = 100  # letters: a body that has more of them is text
_MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True)
class Hints:
    """`limit`: seconds that the request itself allows, until its first answer."""

    limit: float | None = None
    step: Step | None = None


NONE = Hints()


class _Parameters(msgspec.Struct):
    """Those that are ours, of whatever type they came. None: not there."""

    timeout: Any = None
    sequence_id: Any = None
    sequence_start: Any = None
    sequence_end: Any = None


class _Request(msgspec.Struct):
    parameters: _Parameters | None = None


_NAMES = _Parameters.__struct_fields__
_requests = msgspec.json.Decoder(_Request)


def of_json(body: bytes, json_length: str | None, owner: str) -> Hints:
    """Of a REST request. `owner`: whose sequences these are. Raises Invalid."""
    end = len(body) if json_length is None else min(len(body), max(0, int(json_length)))
    if body.find(_TIMEOUT, 0, end) < 0 and body.find(_SEQUENCE, 0, end) < 0:
        return NONE
    try:
        found = bare.decode(body if end == len(body) else body[:end], _requests).parameters
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the replica says what is wrong with it
        return NONE
    return NONE if found is None else _hints(found, owner)


def has_none(body: bytes, json_length: int | None) -> bool:
    """Whether `of_json` would find nothing.

    In what is not small one letter is found many times faster than a word, and this one, which both words have, is in
    no number.
    """
    if json_length is None and len(body) <= SMALL:
        return body.find(_TIMEOUT) < 0 and body.find(_SEQUENCE) < 0
    end = len(body) if json_length is None else json_length
    if end <= SMALL:
        return body.find(_TIMEOUT, 0, end) < 0 and body.find(_SEQUENCE, 0, end) < 0
    at = -1
    for _ in range(FEW):
        at = body.find(b"u", at + 1, end)
        if at < 0:
            return True
        if body.startswith(_TIMEOUT, at - _U_OF_TIMEOUT, end) or body.startswith(_SEQUENCE, at - _U_OF_SEQUENCE, end):
            return False
    return body.find(_TIMEOUT, at, end) < 0 and body.find(_SEQUENCE, at, end) < 0


def of_parameters(parameters: Mapping[str, Any], owner: str) -> Hints:
    """Of a gRPC request: parameters by name, each an InferParameter. Raises Invalid."""
    if TIMEOUT not in parameters and SEQUENCE not in parameters:
        return NONE
    return _hints(_Parameters(*(_value(parameters.get(name)) for name in _NAMES)), owner)


def _value(parameter: Any) -> Any:
    kind = None if parameter is None else parameter.WhichOneof("parameter_choice")
    return None if kind is None else getattr(parameter, kind)


def _hints(said: _Parameters, owner: str) -> Hints:
    """The same for both doors. Raises Invalid for what it does not understand: ignored, it would seem to hold."""
    microseconds = 0 if said.timeout is None else _whole(said.timeout)
    if microseconds is None:
        raise wrong("timeout", said.timeout, f"a whole number of microseconds from 0 to {LARGEST}")
    start, end = _true("sequence_start", said.sequence_start), _true("sequence_end", said.sequence_end)
    sequence = _sequence(said.sequence_id)
    if not microseconds and not sequence:
        return NONE
    limit = microseconds / _MICROSECONDS if microseconds else None
    return Hints(limit, Step(sequence, owner, start, end) if sequence else None)


def _sequence(said: Any) -> int | str:
    """0 or "": no sequence. Raises Invalid."""
    if said is None:
        return 0
    sequence = said if isinstance(said, str) else _whole(said)
    if sequence is None:
        raise wrong("sequence_id", said, f"a whole number from 1 to {LARGEST}, or a text")
    if isinstance(sequence, str) and len(sequence) > LONGEST_ID:
        raise Invalid(f"sequence_id has {len(sequence)} characters, and may have {LONGEST_ID}")
    return sequence


def _whole(said: Any) -> int | None:
    """None: it is none, or no such one as we take. 1.0 is one, true is none."""
    if isinstance(said, float) and said.is_integer():
        said = int(said)
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= LARGEST else None


def _true(name: str, said: Any) -> bool:
    if said is not None and not isinstance(said, bool):
        raise wrong(name, said, "true or false")
    return bool(said)


def wrong(name: str, said: Any, right: str) -> Invalid:
    """Of a parameter with a value that it may not have."""
    shown = repr(said) if isinstance(said, bytes) else msgspec.json.encode(said).decode()
    return Invalid(f"the parameter {name} should be {right}, not {shown[:SHOWN]}")
