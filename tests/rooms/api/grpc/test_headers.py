"""Header blocks: what is remembered is what would be decoded."""

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.api.oip.grpc.headers import Blocks, Malformed, block, read

FIRST = [(":method", "POST"), (":scheme", "http"), (":path", "/t/Echo")]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from([None, 0, 100, 4096])), min_size=1, max_size=30
    )
)
def test_a_remembered_block_means_what_it_meant(rounds):
    """The table fills, shrinks and is emptied in between: a block of the same bytes may mean something else then."""
    encoder, blocks = Encoder(), Blocks()
    for number, huffman, size in rounds:
        if size is not None:
            encoder.header_table_size = size
        sent = [*FIRST, ("x-number", str(number)), ("x-more", "v" * number * 40)]
        raw = encoder.encode(sent, huffman=huffman)
        found = blocks.decode(raw)
        assert {"x-number": str(number), "x-more": "v" * number * 40} == found.metadata


def test_the_same_block_is_read_once():
    encoder, blocks = Encoder(), Blocks()
    encoder.encode(FIRST)
    raw = block([(name.encode(), value.encode()) for name, value in FIRST])

    assert blocks.decode(raw) is blocks.decode(raw)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1H", 3600),
        ("2M", 120),
        ("3S", 3),
        ("250m", 0.25),
        ("5u", 5e-6),
        ("7n", 7e-9),
        ("99999999H", 30 * 86_400),
        ("000000001S", None),
    ],
)
def test_timeouts(text, seconds):
    pairs = [*FIRST, ("grpc-timeout", text)]
    if seconds is None:
        with pytest.raises(Malformed):
            read(pairs)
    else:
        assert seconds == pytest.approx(read(pairs).timeout)


@pytest.mark.parametrize("length", [0, 126, 127, 128, 254, 255, 256, 5000])
def test_literals_are_read_back(length):
    value = "v" * length
    raw = block([*((name.encode(), value.encode()) for name, value in FIRST), (b"x-long", value.encode())])

    assert value == Blocks().decode(raw).metadata["x-long"]
