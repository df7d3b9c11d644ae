"""Whether a body says something of how it is to be asked: as a plain search for the words finds it."""

import random

import pytest

from headrace.api.oip.hints import has_none, of_json

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
