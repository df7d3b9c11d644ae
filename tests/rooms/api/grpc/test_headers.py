"""Header blocks: what is remembered is what would be decoded."""

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.api.grpc.headers import Blocks, Malformed, block, read
from headrace.api.grpc.status import Code

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
    ],
)
def test_timeouts(text, seconds):
    head = read([*FIRST, ("grpc-timeout", text)])

    assert (seconds, None) == (pytest.approx(head.timeout), head.refusal)


@pytest.mark.parametrize("text", ["000000001S", "10", "S", "-1S", "1.5S", "1s", ""])
def test_a_timeout_that_cannot_be_read_is_refused_with_a_sentence(text):
    refusal = read([*FIRST, ("grpc-timeout", text)]).refusal

    assert (Code.INTERNAL, True) == (refusal.code, "grpc-timeout" in refusal.message)


@pytest.mark.parametrize(
    ("content_type", "is_grpc"),
    [
        ("application/grpc", True),
        ("APPLICATION/gRPC", True),
        ("application/grpc+proto", True),
        ("application/grpc; charset=utf-8", True),
        ("application/grpc+proto;a=b", True),
        ("application/grpc-web", False),
        ("application/grpc-web+proto", False),
        ("application/grpcfoo", False),
        ("application/grpc+json", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_media_types(content_type, is_grpc):
    assert is_grpc == read([*FIRST, ("content-type", content_type)]).grpc


@pytest.mark.parametrize("length", ["x", "-1", "1" * 30, "1, 1"])
def test_a_length_that_is_no_number(length):
    with pytest.raises(Malformed):
        read([*FIRST, ("content-length", length)])


@pytest.mark.parametrize("length", [0, 126, 127, 128, 254, 255, 256, 5000])
def test_literals_are_read_back(length):
    value = "v" * length
    raw = block([*((name.encode(), value.encode()) for name, value in FIRST), (b"x-long", value.encode())])

    assert value == Blocks().decode(raw).metadata["x-long"]
