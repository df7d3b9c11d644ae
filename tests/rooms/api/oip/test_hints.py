"""What a request says of how it is to be asked: whether it says something, and that both doors understand the same."""

import json
import random

import pytest
from rooms.api.oip.served import request

from headrace.api.oip.hints import LARGEST, NONE, Hints, has_none, of_json, of_parameters
from headrace.api.oip.proto.inference_pb2 import InferParameter
from headrace.domain.errors import Invalid
from headrace.inference.ask import Step

WORDS = [b'"timeout"', b'"sequence_id"', b"u", b'"', b"timeout", b"sequence_id", b"0.25,", b'"inputs"', b" " * 50]


@pytest.mark.parametrize("seed", range(4))
def test_no_word_is_missed(seed):
    chance = random.Random(seed)
    for _ in range(2_000):
        body = b"".join(chance.choices(WORDS, [1, 1, *[20] * 7], k=chance.randrange(400)))
        length = chance.choice([None, chance.randrange(len(body) + 1)])
        looked = body if length is None else body[:length]
        assert has_none(body, length) is not any(word in looked for word in WORDS[:2])


@pytest.mark.parametrize("number", [b"1.5", b"NaN", b"-Infinity"])
def test_numbers_may_be_bare(number):
    body = b'{"inputs":[{"data":[%b]}],"parameters":{"timeout":2000000,"sequence_id":7}}' % number
    hints = of_json(body, None, "team")
    assert (2.0, 7) == (hints.limit, hints.step.sequence)


KINDS = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
TEAM = "team"


def by_rest(parameters):
    return of_json(json.dumps(request(parameters=parameters)).encode(), None, TEAM)


def by_grpc(parameters):
    return of_parameters({name: parameter(value) for name, value in parameters.items()}, TEAM)


def parameter(value):
    if value is None:
        return InferParameter()
    return InferParameter(**{"uint64_param" if value == LARGEST else KINDS[type(value)]: value})


doors = pytest.mark.parametrize("door", [by_rest, by_grpc])


@doors
@pytest.mark.parametrize(
    ("parameters", "hints"),
    [
        ({"timeout": 1_500_000}, Hints(1.5)),
        ({"timeout": 1_500_000.0}, Hints(1.5)),
        ({"timeout": 0, "sequence_id": 0}, NONE),
        ({"timeout": None, "sequence_id": ""}, NONE),
        ({"sequence_id": 0, "sequence_start": False, "sequence_end": False}, NONE),
        ({"sequence_id": 7}, Hints(None, Step(7, TEAM))),
        ({"sequence_id": LARGEST, "sequence_end": True}, Hints(None, Step(LARGEST, TEAM, end=True))),
        ({"sequence_id": "7", "sequence_start": True}, Hints(None, Step("7", TEAM, start=True))),
        ({"sequence_id": 7, "timeout": 2_000_000, "sequence_start": None}, Hints(2.0, Step(7, TEAM))),
        ({"sequence_start": 1, "priority": "a"}, NONE),
    ],
)
def test_what_is_understood(door, parameters, hints):
    assert hints == door(parameters)


@doors
@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"timeout": "5"}, f'parameter timeout should be a whole number of microseconds from 0 to {LARGEST}, not "5"'),
        ({"timeout": 1.5}, "microseconds from 0 to [0-9]+, not 1.5"),
        ({"timeout": -1}, "microseconds from 0 to [0-9]+, not -1"),
        ({"timeout": True}, "microseconds from 0 to [0-9]+, not true"),
        ({"sequence_id": 1.5}, "parameter sequence_id should be a whole number from 1 to [0-9]+, or a text, not 1.5"),
        ({"sequence_id": -3}, "or a text, not -3"),
        ({"sequence_id": True}, "or a text, not true"),
        ({"sequence_id": "a" * 257}, "sequence_id has 257 characters, and may have 256"),
        ({"sequence_id": 7, "sequence_start": 1}, "the parameter sequence_start should be true or false, not 1"),
        ({"sequence_id": 7, "sequence_end": "a" * 99}, f'sequence_end should be true or false, not "{"a" * 59}$'),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(door, parameters, sentence):
    with pytest.raises(Invalid, match=sentence):
        door(parameters)
