"""Ten thousand changed bodies for each codec: whatever comes in, it is a request or it is refused."""

import json
import random
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from rooms.harness.asking import binary, body, facts, field, floats, proto, proto_input, tensor, view

from headrace.runners.harness.files_form import FilesForm
from headrace.runners.harness.tensors import Refused, Spec
from headrace.runners.harness.v2_json import JsonForm
from headrace.runners.harness.v2_proto import ProtoForm

FACTS = facts(Spec("a", "FP32", (-1, 2)), Spec("b", "BYTES", (-1, 1)), max_batch_size=4)
ONE = facts(Spec("a", "INT32", (-1,)))
EACH = 100  # changed bodies from one seed; a hundred seeds
INTERESTING = [
    b"\0", b"\xff", b"[", b"]", b"{", b"}", b'"', b"null", b"NaN", b"-1", b"1e999", b"99999999999999999999", b"true",
    b"\\ud800", b"[[[[[[[[", b'"shape":[4294967296,4294967296]', b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
]  # fmt: skip


def changed(original: bytes, chance: random.Random) -> bytes:
    data = bytearray(original)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if data:
                data[place % len(data)] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randint(1, 12)]
            case 2:
                data[place:place] = chance.choice(INTERESTING)
            case 3:
                data[place:place] = data[: chance.randint(0, 30)]
            case _:
                data[place : place + chance.randint(0, 6)] = chance.choice(INTERESTING)
    return bytes(data)


def survives(decode, check=FACTS.check) -> None:
    with suppress(Refused):
        check(decode())


two = (tensor("a", "FP32", [1, 2], [1, 2.5]), tensor("b", "BYTES", [1, 1], ["x"]))
JSON_BODIES = [
    bytes(body(*two, id="7", parameters={"n": 1}, outputs=[{"name": "y", "parameters": {"binary_data": True}}])),
    bytes(body(two[0] | {"data": [[1, 2]]}, two[1], outputs=None)),
]
BINARY_BODY, BINARY_META = binary(("a", "FP32", [1, 2], floats(1, 2)), ("b", "BYTES", [1, 1], b"\1\0\0\0x"))
WISH = field(4, field(1, "k") + field(2, field(3, "v"))) + field(6, field(1, "y"))
PROTO_BODIES = [
    bytes(proto(("a", "FP32", [1, 2], floats(1, 2)), ("b", "BYTES", [1, 1], b"\1\0\0\0x"), one_id="7", more=WISH)),
    proto_input("a", "FP32", [1, 2], field(6, floats(1, 2))) + proto_input("b", "BYTES", [1, 1], field(8, b"x")),
]
many = settings(max_examples=100, deadline=None)


@many
@given(st.integers(min_value=0))
def test_json(seed: int) -> None:
    chance, form = random.Random(seed), JsonForm(FACTS)
    for _ in range(EACH):
        given_body = view(changed(chance.choice(JSON_BODIES), chance))
        survives(lambda given_body=given_body: form.decode(given_body, {}))


@many
@given(st.integers(min_value=0))
def test_binary(seed: int) -> None:
    chance, form = random.Random(seed), JsonForm(FACTS)
    raw = JsonForm(ONE)
    for _ in range(EACH):
        given_body = view(changed(bytes(BINARY_BODY), chance))
        length = chance.choice([BINARY_META["json"], BINARY_META["json"], str(chance.randrange(300)), "-1", "x"])
        survives(lambda given_body=given_body, length=length: form.decode(given_body, {"json": length}))
        survives(lambda given_body=given_body: raw.decode(given_body, {"json": "0"}), ONE.check)


@many
@given(st.integers(min_value=0))
def test_proto(seed: int) -> None:
    chance, form = random.Random(seed), ProtoForm(FACTS)
    for _ in range(EACH):
        given_body = view(changed(chance.choice(PROTO_BODIES), chance))
        survives(lambda given_body=given_body: form.decode(given_body, {}))


@many
@given(st.integers(min_value=0))
def test_files(seed: int) -> None:
    chance, form = random.Random(seed), FilesForm(ONE, JsonForm(ONE))
    for _ in range(EACH):
        original = chance.choice([b"[1, 2, 3]", json.dumps({"inputs": [tensor("a", "INT32", [1], [1])]}).encode()])
        files = {"a": changed(original, chance)}
        survives(lambda files=files: form.decode(files, {}), ONE.check)


def test_what_is_remembered_has_an_end() -> None:
    """Flat memory: headers and descriptions that never come again push each other out."""
    as_json, as_proto = JsonForm(facts()), ProtoForm(facts())
    for number in range(2_000):
        given_body, meta = binary((f"a{number}", "FP32", [1], floats(1)))
        as_json.decode(given_body, meta)
        as_proto.decode(proto((f"a{number}", "FP32", [1], floats(1)), more=field(6, field(1, f"y{number}"))), {})

    kept = [vars(as_json)["_headers"], vars(as_proto)["_inputs"], vars(as_proto)["_wanted"]]
    assert all(0 < len(one) <= 512 for one in kept)
