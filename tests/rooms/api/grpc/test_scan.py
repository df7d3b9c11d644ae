"""What the front reads of a request is what protobuf reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.api.oip.grpc.scan import MOST_FIELDS, Scanner, scan
from headrace.api.oip.proto.inference_pb2 import ModelInferRequest
from headrace.domain.errors import Invalid

TEXT = st.text(max_size=200)


@given(TEXT, TEXT, TEXT, st.dictionaries(TEXT, st.integers(-(1 << 63), (1 << 63) - 1), max_size=4), st.binary())
def test_the_same_as_protobuf(name, version, identifier, parameters, raw):
    request = ModelInferRequest(model_name=name, model_version=version, id=identifier)
    for key, value in parameters.items():
        request.parameters[key].int64_param = value
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2]).contents.fp32_contents.extend([1, 2])
    request.raw_input_contents.append(raw)
    found = scan(request.SerializeToString())

    assert (name, version, identifier) == (found.name, found.version, found.identifier)
    assert parameters == {key: value.int64_param for key, value in found.parameters.items()}


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw):
    try:
        found = scan(raw)
    except Invalid:
        return
    assert isinstance(found.name, str)


def test_the_last_name_counts():
    requests = [ModelInferRequest(model_name=name).SerializeToString() for name in ("first", "last")]

    assert "last" == scan(b"".join(requests)).name


@pytest.mark.parametrize(
    "raw",
    [
        b"\x0a\x05ab",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\x02\xff\xfe",
        b"\x0b",
        b"\x02\x00",
    ],
)
def test_what_is_no_message(raw):
    with pytest.raises(Invalid, match="not a ModelInferRequest"):
        scan(raw)


def test_a_message_of_tiny_fields_does_not_hold_up_the_loop():
    with pytest.raises(Invalid):
        scan(b"\x3a\x00" * (MOST_FIELDS + 1))


@given(st.lists(st.tuples(TEXT, st.sampled_from(["", "7"]), st.binary(max_size=8)), max_size=20), st.data())
def test_what_is_remembered_reads_the_same(asked, data):
    scanner = Scanner()
    for name, identifier, raw in asked:
        request = ModelInferRequest(model_name=name, id=identifier, raw_input_contents=[raw])
        request.inputs.add(name="x", datatype="FP32", shape=[1, 2])
        message = request.SerializeToString()
        place = data.draw(st.integers(0, len(message)))
        for one in (message, message[:place] + b"\x0a" + message[place + 1 :]):
            assert read(scan, one) == read(scanner.scan, one) == read(scanner.scan, one)


def read(how, message):
    try:
        return how(message)
    except Invalid as error:
        return str(error)
