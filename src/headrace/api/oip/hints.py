"""What the front reads of an inference request's parameters; most have none of it. Tensors are never looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from headrace.api.oip import bare
from headrace.domain.errors import Invalid
from headrace.inference.ask import Step

LARGEST_ID = (1 << 64) - 1
LONGEST_ID = 256  # characters
_TIMEOUT, _SEQUENCE = b'"timeout"', b'"sequence_id"'
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


class _Timeout(msgspec.Struct):
    timeout: int | None = None


class _Timed(msgspec.Struct):
    parameters: _Timeout | None = None


class _Sequence(msgspec.Struct):
    sequence_id: int | str = 0
    sequence_start: bool = False
    sequence_end: bool = False


class _Sequenced(msgspec.Struct):
    parameters: _Sequence | None = None


_timed, _sequenced = msgspec.json.Decoder(_Timed), msgspec.json.Decoder(_Sequenced)


def of_json(body: bytes, json_length: str | None, owner: str) -> Hints:
    """Of a REST request. `owner`: whose sequences these are. Raises Invalid."""
    end = len(body) if json_length is None else min(len(body), max(0, int(json_length)))
    timed, sequenced = body.find(_TIMEOUT, 0, end) >= 0, body.find(_SEQUENCE, 0, end) >= 0
    if not timed and not sequenced:
        return NONE
    text = body if end == len(body) else body[:end]
    return Hints(_limit(text) if timed else None, _step(text, owner) if sequenced else None)


def has_none(body: bytes, json_length: int | None) -> bool:
    """Whether `of_json` would find nothing.

    In what is not small one letter is found many times faster than a word, and this one, which both words have, is in
    no number.
    """
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
    if "timeout" not in parameters and "sequence_id" not in parameters:
        return NONE
    microseconds = _whole(parameters.get("timeout"))
    one = parameters.get("sequence_id")
    sequence = 0 if one is None else one.string_param or _whole(one)
    start, end = (_true(parameters.get(name)) for name in ("sequence_start", "sequence_end"))
    return Hints(microseconds / _MICROSECONDS if microseconds > 0 else None, _checked(sequence, owner, start, end))


def _limit(text: bytes) -> float | None:
    try:
        found = bare.decode(text, _timed).parameters
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the replica says what is wrong with it
        return None
    microseconds = None if found is None else found.timeout
    return microseconds / _MICROSECONDS if microseconds is not None and microseconds > 0 else None


def _step(text: bytes, owner: str) -> Step | None:
    try:
        found = bare.decode(text, _sequenced).parameters
    except msgspec.ValidationError as error:
        raise Invalid(f"Unable to parse 'sequence_id', 'sequence_start' or 'sequence_end': {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # as above
        return None
    return None if found is None else _checked(found.sequence_id, owner, found.sequence_start, found.sequence_end)


def _checked(sequence: int | str, owner: str, start: bool, end: bool) -> Step | None:
    """None: no sequence. Raises Invalid."""
    if not sequence:
        return None
    if isinstance(sequence, int) and not 0 < sequence <= LARGEST_ID:
        raise Invalid(f"sequence_id should be a whole number from 1 to {LARGEST_ID}, or a text")
    if isinstance(sequence, str) and len(sequence) > LONGEST_ID:
        raise Invalid(f"sequence_id has {len(sequence)} characters, and may have {LONGEST_ID}")
    return Step(sequence, owner, start, end)


def _whole(parameter: Any) -> int:
    return 0 if parameter is None else int(parameter.int64_param or parameter.uint64_param)


def _true(parameter: Any) -> bool:
    return parameter is not None and bool(parameter.bool_param)
