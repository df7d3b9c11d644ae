"""Random requests, good and malformed, to us and to the real Triton: the same numbers, the same class of answer.

against_triton.py SERVER TRITON. Where we answer otherwise on purpose it says so below: we take what other clients send,
refuse what Triton would store as something else than was meant, and say 400 where it says 500 for a caller's mistake.
"""

import json
import sys
from http.client import HTTPConnection

import grpc
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from said import DATATYPES, check, server
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

OURS, TRITON = server(), json.loads(sys.argv[2])
WIDTHS = {name: np.dtype(kind).itemsize for name, kind in DATATYPES.items()}
MANY = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
JSON_LENGTH = "Inference-Header-Content-Length"


class Rest:
    """Both, each by one connection that stays open."""

    def __init__(self):
        self._connections = {where: HTTPConnection(where, timeout=30) for where in (OURS.http, TRITON["http"])}

    def post(self, model, body, **headers):
        """Status and answer of each; an answer is {output: (datatype, shape, values)}."""
        return self.ours(model, body, **headers), self._one(TRITON["http"], model, body, headers)

    def ours(self, model, body, **headers):
        return self._one(OURS.http, model, body, headers | OURS.headers)

    def _one(self, where, model, body, headers):
        connection = self._connections[where]
        try:
            connection.request("POST", f"/v2/models/{model}/infer", body, headers)
            told = connection.getresponse()
            raw = told.read()
        except Exception:
            connection.close()  # the next request opens it again
            raise
        if told.status != 200:
            return told.status, json.loads(raw)["error"]
        length = int(told.headers.get(JSON_LENGTH, len(raw)))
        return 200, outputs_of(json.loads(raw[:length]), raw[length:])


def outputs_of(head, rest):
    found = {}
    for one in head["outputs"]:
        size = one.get("parameters", {}).get("binary_data_size")
        if size is None:
            values = listed(one["datatype"], one["data"])
        else:
            values, rest = plain(one["datatype"], rest[:size]), rest[size:]
        found[one["name"]] = (one["datatype"], one["shape"], values)
    assert not rest, "bytes are left over"
    return found


def listed(datatype, data):
    if datatype == "BYTES":
        return [one.encode() for one in data]
    kind = DATATYPES[datatype]
    if kind in (np.float16, np.float32, np.float64):  # we write null, Triton NaN and Infinity
        return [float("nan") if one is None or not np.isfinite(one) else kind(one).tobytes() for one in data]
    return [kind(one).tobytes() for one in data]


def plain(datatype, raw):
    if datatype == "BYTES":
        return list(deserialize_bytes_tensor(raw))
    return [raw[at : at + WIDTHS[datatype]] for at in range(0, len(raw), WIDTHS[datatype])]


def alike(ours, triton):
    """A JSON list can only say that a number is not finite; bytes say which bits."""
    (our_type, our_shape, our_values), (its_type, its_shape, its_values) = ours, triton
    assert (our_type, our_shape) == (its_type, its_shape)
    assert repr(our_values) == repr(its_values), f"{our_values}; Triton {its_values}"


def same_answer(answers):
    (our_status, ours), (its_status, its) = answers
    assert our_status == its_status == 200, answers
    assert set(ours) == set(its)
    for name, tensor in ours.items():
        alike(tensor, its[name])


def same_refusal(answers, *, ours=400):
    (our_status, said), (its_status, its_words) = answers
    assert 400 <= its_status <= 500, f"Triton takes it: {its_words}"
    assert our_status == (its_status if its_status in (404, 501) else ours), f"{our_status} {said}; Triton {its_words}"
    assert said


# tensors of random shapes, datatypes and bits

TEXTS = some.text(max_size=12)
SHAPES = some.lists(some.integers(0, 3), min_size=2, max_size=2)


@some.composite
def tensors(draw, datatype):
    """Shape, raw bytes, and the elements for JSON (None where JSON cannot hold them in Triton)."""
    shape = draw(SHAPES)
    count = shape[0] * shape[1]
    if datatype == "BYTES":
        words = [draw(TEXTS).encode() for _ in range(count)]
        raw = serialize_byte_tensor(np.array(words, np.object_)).item() if words else b""
        return shape, raw, [word.decode() for word in words]
    kind = np.dtype(DATATYPES[datatype])
    if datatype == "FP64" and draw(
        some.booleans()
    ):  # few digits: Triton's JSON parser is wrong in the last bit of many
        values = [draw(some.integers(-(10**15), 10**15)) / 1000 for _ in range(count)]
        return shape, np.array(values, kind).tobytes(), values
    raw = draw(some.binary(min_size=count * kind.itemsize, max_size=count * kind.itemsize))
    if kind.kind == "b":
        raw = bytes(byte & 1 for byte in raw)
    values = np.frombuffer(raw, kind)
    if datatype in ("FP16", "FP64") or (kind.kind == "f" and not np.isfinite(values).all()):
        return shape, raw, None
    return shape, raw, values.tolist()


@some.composite
def everything(draw):
    """A request to the model `every`: (JSON, binary tensors), each input and output in JSON or binary as it falls."""
    inputs, rest = [], b""
    for datatype in DATATYPES:
        shape, raw, values = draw(tensors(datatype))
        one = {"name": f"IN_{datatype}", "datatype": datatype, "shape": shape}
        if values is not None and draw(some.booleans()):
            one["data"] = np.array(values, np.object_).reshape(shape).tolist() if draw(some.booleans()) else values
        else:
            one["parameters"] = {"binary_data_size": len(raw)}
            rest += raw
        inputs.append(one)
    request = {"inputs": draw(some.permutations(inputs)) if not rest else inputs}
    wanted = draw(some.lists(some.sampled_from(list(DATATYPES)), unique=True))
    if wanted:
        request["outputs"] = [
            {"name": f"OUT_{one}", "parameters": {"binary_data": one == "FP16" or draw(some.booleans())}}
            for one in wanted
        ]
    else:
        request["parameters"] = {"binary_data_output": True}
    if draw(some.booleans()):
        request["id"] = draw(TEXTS)
    return json.dumps(request).encode(), rest


REST = Rest()


@MANY
@given(everything())
def every_datatype(request):
    head, rest = request
    same_answer(REST.post("every", head + rest, **{JSON_LENGTH: str(len(head))}))


@MANY
@given(some.integers(1, 8), some.data())
def batches(rows, data):
    outputs = [
        {"name": "OUTPUT1", "parameters": {"binary_data": data.draw(some.booleans())}},
        {"name": "OUTPUT0", "parameters": {"classification": data.draw(some.integers(1, 20))}},
    ]
    head = json.dumps({"inputs": [row_of("INPUT0", rows), row_of("INPUT1", rows)], "outputs": outputs})
    raw = data.draw(some.binary(min_size=rows * 128, max_size=rows * 128))
    same_answer(REST.post("simple", head.encode() + raw, **{JSON_LENGTH: str(len(head))}))


def row_of(name, rows=1):
    return {"name": name, "datatype": "INT32", "shape": [rows, 16], "parameters": {"binary_data_size": 64 * rows}}


@MANY
@given(some.lists(some.floats(width=32), max_size=40))
def raw_bodies(values):
    body = np.array(values, np.float32).tobytes()
    if body:
        same_answer(REST.post("vector", body, **{JSON_LENGTH: "0"}))


# malformed requests


def valid():
    return {
        "inputs": [
            {"name": name, "datatype": "INT32", "shape": [1, 16], "data": list(range(16))}
            for name in ("INPUT0", "INPUT1")
        ]
    }


def changed(**keys):
    """A valid request whose second input is changed; ... takes the key away."""
    request = valid()
    request["inputs"][1] = {key: one for key, one in (request["inputs"][1] | keys).items() if one is not ...}
    return request


REFUSED = {
    "no inputs": valid() | {"inputs": []},
    "inputs are no list": valid() | {"inputs": {}},
    "inputs are missing": {"outputs": []},
    "a list": [valid()],
    "an input is missing": {"inputs": valid()["inputs"][:1]},
    "an input too many": {"inputs": [*valid()["inputs"], valid()["inputs"][0] | {"name": "OTHER"}]},
    "an unknown input": changed(name="OTHER"),
    "an input twice": changed(name="INPUT0"),
    "another datatype": changed(datatype="FP32"),
    "an unknown datatype": changed(datatype="INT31"),
    "no datatype": changed(datatype=...),
    "no name": changed(name=...),
    "no shape": changed(shape=...),
    "no data": changed(data=...),
    "data and binary": changed(parameters={"binary_data_size": 64}),
    "another shape": changed(shape=[1, 15], data=list(range(15))),
    "a shape of text": changed(shape=["1", "16"]),
    "a shape of floats": changed(shape=[1.5, 16]),
    "a negative dimension": changed(shape=[-1, 16]),
    "a dimension too few": changed(shape=[16]),
    "a dimension too many": changed(shape=[1, 1, 16]),
    "too few elements": changed(data=list(range(15))),
    "too many elements": changed(data=list(range(17))),
    "text in place of numbers": changed(data=["a"] * 16),
    "null in place of numbers": changed(data=[None] * 16),
    "objects in place of numbers": changed(data=[{}] * 16),
    "no list of data": changed(data=7),
    "batches of two sizes": changed(shape=[2, 16], data=list(range(32))),
    "a batch too large": {
        "inputs": [
            {"name": name, "datatype": "INT32", "shape": [9, 16], "data": [0] * 144} for name in ("INPUT0", "INPUT1")
        ]
    },
    "an empty batch": {
        "inputs": [{"name": name, "datatype": "INT32", "shape": [0, 16], "data": []} for name in ("INPUT0", "INPUT1")]
    },
    "an unknown output": valid() | {"outputs": [{"name": "OTHER"}]},
    "an output without a name": valid() | {"outputs": [{}]},
    "outputs are no list": valid() | {"outputs": 7},
    "an id that is a number": valid() | {"id": 7},
    "binary_data_output is text": valid() | {"parameters": {"binary_data_output": "yes"}},
    "a reserved parameter": valid() | {"parameters": {"triton_x": 1}},
}
WE_TAKE = {  # and Triton does not
    "outputs are null": valid() | {"outputs": None},
    "whole floats": changed(data=[float(number) for number in range(16)]),
}
WE_REFUSE = {  # where Triton stores something else than was meant
    "a number that does not fit": changed(data=[1 << 40] * 16),
    "ragged lists": changed(data=[[0, 1], [2, [3, 4]], 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
}


KILLS_TRITON = {  # 2.51, so that only we are asked
    "a huge shape": changed(shape=[1 << 40, 16]),
    "deep lists": '{"inputs":' + "[" * 100_000,
    "classification of text": {
        "inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "data": ["a"]}],
        "outputs": [{"name": "x", "parameters": {"classification": 1}}],
    },
}


def malformed():
    for what, request in REFUSED.items():
        with check(f"refused as by Triton: {what}"):
            same_refusal(REST.post("simple", json.dumps(request)))
    for what, request in KILLS_TRITON.items():
        with check(f"refused: {what}"):
            model = "identity" if what == "classification of text" else "simple"
            status, _ = REST.ours(model, request if isinstance(request, str) else json.dumps(request))
            assert status == 400, status
    for what, request in WE_TAKE.items():
        with check(f"taken here, not by Triton: {what}"):
            (ours, _), (its, _) = REST.post("simple", json.dumps(request))
            assert ours == 200, ours
            assert its != 200, its
    for what, request in WE_REFUSE.items():
        with check(f"refused here, not by Triton: {what}"):
            (ours, _), (its, _) = REST.post("simple", json.dumps(request))
            assert (ours, its) == (400, 200), (ours, its)


def malformed_binary():
    head = json.dumps({"inputs": [row_of("INPUT0"), row_of("INPUT1")]}).encode()
    raw, right = bytes(128), {JSON_LENGTH: str(len(head))}
    wrong = json.dumps({"inputs": [row_of("INPUT0"), row_of("INPUT1") | {"parameters": {"binary_data_size": 68}}]})
    cases = {
        "bytes are missing": (head + raw[:-4], right),
        "bytes are left over": (head + raw + b"left", right),
        "no bytes at all": (head, right),
        "the header is missing": (head + raw, {}),
        "the header is too large": (head + raw, {JSON_LENGTH: "99999"}),
        "the header is negative": (head + raw, {JSON_LENGTH: "-1"}),
        "the header is too small": (head + raw, {JSON_LENGTH: str(len(head) - 1)}),
        "the header is zero, two inputs": (head + raw, {JSON_LENGTH: "0"}),
        "the header is no number": (head + raw, {JSON_LENGTH: "many"}),
        "a size that is not the shape's": (wrong.encode() + raw + bytes(4), {JSON_LENGTH: str(len(wrong))}),
        "a body that is not JSON": (b"hello", {}),
        "an empty body": (b"", {}),
        "not gzip": (b"hello", {"Content-Encoding": "gzip"}),
    }
    for what, (body, headers) in cases.items():
        with check(f"refused as by Triton: {what}"):
            same_refusal(REST.post("simple", body, **headers))
    with check("refused as by Triton: an unknown model"):
        same_refusal(REST.post("nosuchmodel", json.dumps(valid())))
    with check("refused as by Triton: an unknown version"):
        same_refusal(REST.post("simple/versions/7", json.dumps(valid())))
    with check("refused as by Triton: a compression that nobody knows"):
        (ours, _), (its, _) = REST.post("simple", b"hello", **{"Content-Encoding": "br"})
        assert ours == its == 501, (ours, its)


@MANY
@given(some.data())
def one_byte_otherwise(data):
    """Whatever it makes of the request: never our mistake, and the same numbers where both take it."""
    body = bytearray(json.dumps(valid()).encode())
    at = data.draw(some.integers(0, len(body) - 1))
    match data.draw(some.sampled_from(("change", "leave out", "add", "cut"))):
        case "change":
            body[at] = data.draw(some.integers(1, 255))
        case "leave out":
            del body[at]
        case "add":
            body.insert(at, data.draw(some.integers(1, 255)))
        case "cut":
            del body[at:]
    ours, triton = REST.post("simple", bytes(body))
    assert ours[0] in (200, 400), ours
    if ours[0] == triton[0] == 200:
        same_answer((ours, triton))


# gRPC


class Grpc:
    def __init__(self):
        self._asked = [
            (service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(where)), metadata)
            for where, metadata in ((OURS.grpc, tuple(OURS.headers.items())), (TRITON["grpc"], ()))
        ]

    def infer(self, request):
        """For each: ("OK", answer) or (code, details)."""
        found = []
        for stub, metadata in self._asked:
            try:
                found.append(("OK", stub.ModelInfer(request, metadata=metadata, timeout=30)))
            except grpc.RpcError as error:
                found.append((error.code().name, error.details()))
        return found


GRPC = Grpc()
CONTENTS = {
    "BOOL": "bool", "INT8": "int", "INT16": "int", "INT32": "int", "INT64": "int64", "UINT8": "uint",
    "UINT16": "uint", "UINT32": "uint", "UINT64": "uint64", "FP32": "fp32", "FP64": "fp64", "BYTES": "bytes",
}  # fmt: skip


@MANY
@given(some.data(), TEXTS, some.booleans())
def every_datatype_by_grpc(data, identifier, typed):
    """FP16 has no typed contents, so with typed ones only `simple` is asked."""
    request = service_pb2.ModelInferRequest(model_name="every", id=identifier)
    for datatype in DATATYPES:
        shape, raw, _ = data.draw(tensors(datatype))
        request.inputs.add(name=f"IN_{datatype}", datatype=datatype, shape=shape)
        request.raw_input_contents.append(raw)
    if typed:
        request = service_pb2.ModelInferRequest(model_name="simple", id=identifier)
        for name in ("INPUT0", "INPUT1"):
            one = request.inputs.add(name=name, datatype="INT32", shape=[1, 16])
            one.contents.int_contents[:] = data.draw(
                some.lists(some.integers(-(1 << 31), (1 << 31) - 1), min_size=16, max_size=16)
            )
    (our_code, ours), (its_code, its) = GRPC.infer(request)
    assert our_code == its_code == "OK", (our_code, ours if our_code != "OK" else "", its_code)
    assert ours.model_name == its.model_name
    assert not identifier or ours.id == its.id
    assert raw_outputs(ours) == raw_outputs(its)


def raw_outputs(answer):
    return {
        one.name: (one.datatype, list(one.shape), raw)
        for one, raw in zip(answer.outputs, answer.raw_output_contents, strict=True)
    }


def grpc_request(*, raw=True, model="simple"):
    request = service_pb2.ModelInferRequest(model_name=model)
    for name in ("INPUT0", "INPUT1"):
        one = request.inputs.add(name=name, datatype="INT32", shape=[1, 16])
        if raw:
            request.raw_input_contents.append(bytes(64))
        else:
            one.contents.int_contents[:] = range(16)
    return request


def malformed_grpc():
    def changed_by(change, **options):
        request = grpc_request(**options)
        change(request)
        return request

    cases = {
        "an unknown model": grpc_request(model="nosuchmodel"),
        "an unknown version": changed_by(lambda one: setattr(one, "model_version", "7")),
        "contents and raw": changed_by(lambda one: one.inputs[0].contents.int_contents.extend(range(16))),
        "raw data are missing": changed_by(lambda one: one.raw_input_contents.pop()),
        "raw data of another size": changed_by(lambda one: one.raw_input_contents.__setitem__(1, b"1234")),
        "contents of another kind": changed_by(
            lambda one: (
                one.inputs[0].contents.ClearField("int_contents"),
                one.inputs[0].contents.fp32_contents.extend([1] * 16),
            ),
            raw=False,
        ),
        "too few contents": changed_by(lambda one: one.inputs[0].contents.int_contents.pop(), raw=False),
        "another datatype": changed_by(lambda one: setattr(one.inputs[0], "datatype", "FP32")),
        "an unknown datatype": changed_by(lambda one: setattr(one.inputs[0], "datatype", "INT31")),
        "another shape": changed_by(lambda one: one.inputs[0].shape.__setitem__(1, 15)),
        "an input is missing": changed_by(lambda one: (one.inputs.pop(), one.raw_input_contents.pop())),
        "an unknown input": changed_by(lambda one: setattr(one.inputs[1], "name", "OTHER")),
        "an input twice": changed_by(lambda one: setattr(one.inputs[1], "name", "INPUT0")),
        "an unknown output": changed_by(lambda one: one.outputs.add(name="OTHER")),
        "no inputs": service_pb2.ModelInferRequest(model_name="simple"),
        "a reserved parameter": changed_by(lambda one: setattr(one.parameters["triton_x"], "int64_param", 1)),
        "a parameter without a value": changed_by(lambda one: one.parameters["x"].Clear()),
    }
    for what, request in cases.items():
        with check(f"gRPC, refused as by Triton: {what}"):
            (our_code, ours), (its_code, its) = GRPC.infer(request)
            assert our_code == its_code != "OK", f"{our_code} {ours}; Triton {its_code} {its}"


PROPERTIES = (every_datatype, batches, raw_bodies, one_byte_otherwise, every_datatype_by_grpc)
for one in PROPERTIES:
    with check(one.__name__.replace("_", " ")):
        one()
malformed()
malformed_binary()
malformed_grpc()
with check("and both still live"):
    same_answer(REST.post("simple", json.dumps(valid())))
