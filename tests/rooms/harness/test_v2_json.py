"""JSON requests and answers: what is taken, and the words in which the rest is refused."""

import json
import math
import struct
from typing import Any

import pytest
from rooms.harness.asking import binary, body, facts, floats, tensor, view

from headrace.runners.harness.arrays import array_of
from headrace.runners.harness.tensors import Column, Input, Output, Refused, Reply, Request, Spec, Wanted, as_bytes
from headrace.runners.harness.v2_json import JsonForm

NONE = facts()
ONE = facts(Spec("INPUT0", "FP32", (-1,)))


def decode(given: memoryview, known=NONE, **meta: str) -> Request:
    form = JsonForm(known)
    request = form.decode(given, meta)
    known.check(request)
    return request


def test_a_request_with_everything() -> None:
    given = body(
        tensor("a", "FP32", [2, 2], [[1, 2.5], [3, 4]]),
        tensor("b", "BYTES", [1], ["é"], content_type="str"),
        id="42",
        parameters={"n": 1, "x": [1]},
        outputs=[{"name": "y", "parameters": {"binary_data": True, "classification": 3}}, {"name": "z"}],
    )

    request = decode(given)

    assert ("42", {"n": 1, "x": [1]}) == (request.id, request.parameters)
    first, second = request.inputs
    assert ("a", "FP32", (2, 2), [1, 2.5, 3, 4]) == (first.name, first.datatype, first.shape, first.data)
    assert ("b", ["é"], {"content_type": "str"}) == (second.name, second.data, second.parameters)
    assert (
        Wanted("y", binary=True, classes=3, parameters={"binary_data": True, "classification": 3}),
        Wanted("z"),
    ) == request.outputs


def test_the_id_is_that_of_the_body_or_of_the_header_or_a_new_one() -> None:
    one = tensor("a", "FP32", [1], [1])

    assert "body" == decode(body(one, id="body"), id="header").id
    assert "header" == decode(body(one, id=""), id="header").id
    assert 36 == len(decode(body(one)).id)
    assert decode(body(one)).id != decode(body(one)).id


@pytest.mark.parametrize("count", [1, 5_000])
def test_parameters_are_kept_exactly(count: int) -> None:
    given = json.loads(bytes(body(tensor("a", "FP32", [count], [1.5] * count))))
    for number in (2**70, -(2**70), 2**64 - 1, 1e21):
        found = decode(view(json.dumps(given | {"parameters": {"n": number}}).encode())).parameters
        assert (number, type(number)) == (found["n"], type(found["n"]))


@pytest.mark.parametrize(
    ("accept", "binary_"),
    [
        ("application/json", False),
        ("text/html, Application/JSON;q=0.1", False),
        ("application/json;q=0", True),
        ("application/json; q=0.000, */*", True),
        ("application/jsonlines", True),
        ("", True),
    ],
)
def test_what_a_raw_request_accepts(accept: str, binary_: bool) -> None:
    assert binary_ is decode(view(floats(1)), ONE, json="0", accept=accept).binary


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32"])
def test_a_value_that_does_not_fit_is_told_by_its_datatype(datatype: str) -> None:
    with pytest.raises(Refused, match=f"'x' is not of type {datatype}"):
        array_of([Input("x", datatype, (1,), ["1.5"], None)], (1,), "m")


TOO_LARGE = [
    ("FP16", 65_520.0),
    ("FP16", -1e5),
    ("BF16", 3.4e38),
    ("FP32", 1e39),
    ("FP32", -(10**39)),
    ("FP32", 3.5e38),
]


@pytest.mark.parametrize("count", [2, 5_000])
@pytest.mark.parametrize(("datatype", "value"), TOO_LARGE)
def test_a_number_that_is_too_large_is_no_infinity(datatype: str, value: float, count: int) -> None:
    """Not where few are read one by one, nor where many are read at once."""
    known = facts(Spec("a", datatype, (-1,)))
    values = [math.inf, *[1.5] * count, value]
    if count > 2:
        values[0] = 0.5  # with a bare infinity it is read as few are
    [one] = decode(body(tensor("a", datatype, [len(values)], values)), known).inputs
    with pytest.raises(Refused) as told:
        array_of([one], one.shape, "m")
    where = f"the value {float(value)!r} at index {count + 1}"
    assert f"Unable to parse 'data': {where} is out of range for input 'a' of type {datatype}" == str(told.value)


@pytest.mark.parametrize("count", [1, 5_000])
def test_a_number_that_no_float_holds_is_no_infinity(count: int) -> None:
    data = b",".join([b"-1e400", *[b"1.5"] * count])
    request = b'{"inputs":[{"name":"a","shape":[%d],"datatype":"FP64","data":[%s]}]}' % (count + 1, data)
    with pytest.raises(Refused, match="the number -1e400 is too large"):
        decode(view(request))


@pytest.mark.parametrize(("datatype", "most"), [("FP16", 65_504.0), ("BF16", 3.3895e38), ("FP32", 3.4028234e38)])
@pytest.mark.parametrize("count", [1, 5_000])
def test_the_largest_number_and_infinities_are_taken(datatype: str, most: float, count: int) -> None:
    values = [most, -most, *["Infinity", None, -math.inf, math.nan][: 4 if count == 1 else 0]] * count
    [one] = decode(body(tensor("a", datatype, [len(values)], values)), facts(Spec("a", datatype, (-1,)))).inputs
    found = array_of([one], one.shape, "m").tolist()
    assert all(map(math.isfinite, found[:2]))
    assert ([math.inf, -math.inf] if count == 1 else []) == [one for one in found if math.isinf(one)]


def test_an_id_that_no_text_may_be_is_not_told() -> None:
    request = decode(
        view(b'{"id":"a\\ud800","inputs":[{"name":"a","shape":[1],"datatype":"FP32","data":[1]}]}'), id="7"
    )
    _, told = JsonForm(NONE).encode(Reply(request, []), {"id": "7"})
    assert {} == told


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (b"[" + b"9" * 5_000 + b"]", "a number has too many digits"),
        (b"", "failed to parse the request JSON buffer"),
        (b"{", "failed to parse the request JSON buffer"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nesting depth"),
        (b"[]", "Unable to parse 'inputs'"),
        (b"{}", "Unable to parse 'inputs'"),
        (b'{"inputs": {}}', "Unable to parse 'inputs'"),
        (b'{"inputs": []}', "has no inputs"),
        (b'{"inputs": [1]}', "not a JSON object"),
        (b'{"id": 7, "inputs": []}', "Unable to parse 'id'"),
        (b'{"inputs": [{"name": "a"}]}', "non-existing key 'datatype'"),
    ],
)
def test_what_is_no_request_at_all(given: bytes, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        decode(view(given))


GOOD = tensor("INPUT0", "FP32", [2], [1, 2])
BAD: list[tuple[dict[str, Any], str]] = [
    (GOOD | {"name": 1}, "non-string"),
    (GOOD | {"datatype": "FLOAT"}, "invalid datatype for input INPUT0"),
    (GOOD | {"shape": 2}, "Unable to parse 'shape'"),
    (GOOD | {"shape": [-2]}, "Unable to parse 'shape'"),
    (GOOD | {"shape": [True, 2]}, "Unable to parse 'shape'"),
    (GOOD | {"shape": [1] * 40}, "at most 32"),
    (GOOD | {"shape": [1 << 40, 1 << 40]}, "exceed maximum size"),
    (GOOD | {"shape": [0, 1 << 40, 1 << 40]}, "exceed maximum size"),
    (GOOD | {"shape": [3]}, "Shape does not match true shape of 'data' field"),
    (GOOD | {"data": None}, "But no field is set"),
    (GOOD | {"data": "x"}, "non-array"),
    (GOOD | {"data": [[1, 2], 3]}, "ragged"),
    (GOOD | {"data": [[1], [2, 3]]}, "ragged"),
    (GOOD | {"parameters": {"binary_data_size": 8}}, "But set 'data' 'binary_data_size'"),
    (GOOD | {"parameters": 3}, "'parameters'"),
    (GOOD | {"parameters": {"shared_memory_region": "r"}, "data": None}, "shared memory is disabled"),
    (tensor("INPUT0", "FP32", [2], binary_data_size=8), "expecting 8 additional bytes for model 'simple'"),
    (tensor("INPUT0", "FP32", [2], binary_data_size=True), "whole number"),
]


@pytest.mark.parametrize(("one", "sentence"), BAD)
def test_what_is_no_tensor(one: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        decode(body(one))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"outputs": 3}, "'outputs'"),
        ({"outputs": [{}]}, "'outputs'"),
        ({"outputs": [{"name": "y"}, {"name": "y"}]}, "output 'y' already exists in request"),
        ({"outputs": [{"name": "y", "parameters": {"binary_data": 1}}]}, "non-boolean"),
        ({"outputs": [{"name": "y", "parameters": {"classification": -1}}]}, "classification"),
        ({"parameters": {"triton_x": 1}}, "reserved for Triton usage"),
        ({"parameters": {"binary_data_output": 1}}, "non-boolean"),
        ({"parameters": []}, "'parameters'"),
    ],
)
def test_what_cannot_be_asked_for(more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        decode(body(GOOD, **more))


def test_an_input_that_stands_twice() -> None:
    with pytest.raises(Refused, match="input 'INPUT0' already exists in request"):
        decode(body(GOOD, GOOD))


def test_null_outputs_are_all_outputs() -> None:
    assert None is decode(body(GOOD, outputs=None)).outputs
    assert None is decode(body(GOOD, outputs=[])).outputs


def test_binary_tensors_and_json_together() -> None:
    head = {
        "inputs": [
            tensor("a", "FP32", [2], binary_data_size=8),
            tensor("j", "INT8", [1], [7]),
            tensor("b", "BYTES", [2], binary_data_size=11),
        ]
    }
    text = json.dumps(head).encode()
    given = view(text + floats(1, 2) + b"\x03\0\0\0a\xff\0" + b"\0\0\0\0")

    request = decode(given, json=str(len(text)))

    assert [floats(1, 2), [7], b"\x03\0\0\0a\xff\0\0\0\0\0"] == [
        bytes(one.data) if isinstance(one.data, memoryview) else one.data for one in request.inputs
    ]


@pytest.mark.parametrize(
    ("data", "cut", "sentence"),
    [
        (floats(1), 0, "input byte size mismatch for input 'INPUT0' for model 'simple'. Expected 8, got 4"),
        (floats(1, 2), 4, "unexpected size for input 'INPUT0', expecting 4 additional bytes for model 'simple'"),
        (floats(1, 2), -4, "unexpected additional input data for model 'simple'"),
    ],
)
def test_too_few_or_too_many_bytes(data: bytes, cut: int, sentence: str) -> None:
    given, meta = binary(("INPUT0", "FP32", [2], data))
    whole = bytes(given)
    changed = whole[: len(whole) - cut] if cut >= 0 else whole + bytes(-cut)

    with pytest.raises(Refused, match=sentence):
        decode(view(changed), ONE, **meta)


def test_the_length_of_the_json() -> None:
    given, _ = binary(("INPUT0", "FP32", [2], floats(1, 2)))

    with pytest.raises(Refused, match=rf"should be in range \(0, {len(given)}\), got: 99999"):
        decode(given, json="99999")
    with pytest.raises(Refused, match="got: -5"):
        decode(given, json="-5")
    with pytest.raises(Refused, match="Raw request must only have 1 input"):
        decode(given, json="abc")


def test_a_header_that_comes_again_is_remembered_without_its_data() -> None:
    form = JsonForm(ONE)
    first, meta = binary(("INPUT0", "FP32", [1], floats(1)))
    second, _ = binary(("INPUT0", "FP32", [1], floats(2)))

    one, two = form.decode(first, meta), form.decode(second, meta)

    assert [floats(1), floats(2)] == [bytes(one.inputs[0].data), bytes(two.inputs[0].data)]
    assert one.id != two.id


def test_a_raw_request() -> None:
    request = decode(view(floats(1, 2, 3)), ONE, json="0")
    assert ((3,), True) == (request.inputs[0].shape, request.binary)

    assert not decode(view(floats(1)), ONE, json="0", accept="application/json").binary

    batched = facts(Spec("x", "INT8", (-1, 2, -1)), max_batch_size=4)
    assert (1, 2, 3) == decode(view(bytes(6)), batched, json="0").inputs[0].shape

    text = facts(Spec("t", "BYTES", (1,)))
    assert [b"any\0thing"] == decode(view(b"any\0thing"), text, json="0").inputs[0].data


@pytest.mark.parametrize(
    ("specs", "sentence"),
    [
        ([], "but got 0 inputs in 'simple'"),
        ([Spec("a", "INT8", (1,)), Spec("b", "INT8", (1,))], "but got 2 inputs in 'simple'"),
        ([Spec("a", "INT8", (-1, -1))], "can not be deduced because there are more than one variable-sized dimension"),
        ([Spec("a", "BYTES", (2,))], r"the model must have input shape \[1\]"),
        ([Spec("a", "FP32", (4,))], "Expected 16, got 6"),
    ],
)
def test_a_raw_request_that_cannot_be_understood(specs: list[Spec], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        decode(view(bytes(6)), facts(*specs), json="0")


def encoded(*outputs: Output, wanted: tuple[Wanted, ...] | None = None, binary: bool = False, **meta: str) -> Any:
    request = Request("7", [], wanted)
    request.binary = binary
    return JsonForm(NONE).encode(Reply(request, list(outputs)), meta)


class Values(list):
    """Stands for a flat array where no numpy is needed."""

    def tolist(self) -> list[Any]:
        return list(self)

    def tobytes(self) -> bytes:
        return struct.pack(f"<{len(self)}f", *self)


def column(name: str, datatype: str, *values: Any) -> Output:
    held = list(values) if datatype == "BYTES" else Values(values)
    return Output(Column(name, datatype, held), (len(values),))


def test_an_answer() -> None:
    text, meta = encoded(column("y", "FP32", 1.5, 2.0), column("s", "BYTES", b'a"b', "é".encode()), model="shown")

    assert {"id": "7"} == meta
    assert {
        "id": "7",
        "model_name": "shown",
        "model_version": "1",
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [2], "data": [1.5, 2.0]},
            {"name": "s", "datatype": "BYTES", "shape": [2], "data": ['a"b', "é"]},
        ],
    } == json.loads(text)


def test_what_is_not_finite_is_null() -> None:
    text, _ = encoded(column("y", "FP32", math.nan, math.inf, -math.inf, 1.0))
    assert [None, None, None, 1.0] == json.loads(text)["outputs"][0]["data"]
    long, _ = encoded(column("y", "FP32", *[math.nan] * 1_000))
    assert [None] * 1_000 == json.loads(long)["outputs"][0]["data"]


def test_booleans_are_words() -> None:
    assert b'"data":[true, false]' in encoded(column("y", "BOOL", 1, 0))[0]


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(Refused, match="output 's' is not valid UTF-8; request it with binary_data"):
        encoded(column("s", "BYTES", b"\xff"))

    asked = (Wanted("s", parameters={"content_type": "base64"}),)
    assert ["/w=="] == json.loads(encoded(column("s", "BYTES", b"\xff"), wanted=asked)[0])["outputs"][0]["data"]


def test_a_binary_answer() -> None:
    outputs = (column("y", "FP32", 1.0, 2.0), column("s", "BYTES", b"\xff\0"))

    data, meta = encoded(*outputs, binary=True)

    length = int(meta["json"])
    said = json.loads(data[:length])["outputs"]
    assert [8, 6] == [one["parameters"]["binary_data_size"] for one in said]
    assert "data" not in said[0]
    assert floats(1, 2) + b"\x02\0\0\0\xff\0" == data[length:]


def test_an_output_asked_for_by_name_comes_as_it_says_itself() -> None:
    wanted = (Wanted("y"), Wanted("z", binary=True))

    data, meta = encoded(column("y", "FP32", 1.0), column("z", "FP32", 2.0), wanted=wanted, binary=True)

    length = int(meta["json"])
    assert [1.0] == json.loads(data[:length])["outputs"][0]["data"]
    assert floats(2) == data[length:]


def test_a_binary_answer_without_bytes_is_json() -> None:
    data, meta = encoded(column("y", "FP32"), binary=True)

    assert "json" not in meta
    assert 0 == json.loads(data)["outputs"][0]["parameters"]["binary_data_size"]


def test_elements_that_are_no_bytes() -> None:
    assert [b"1", b"x", b"y"] == [as_bytes(one) for one in (1, "x", bytearray(b"y"))]
