"""What the READMEs of MLServer's examples send, by MLServer's own classes: nothing is said of streams or of shapes."""

import json
import urllib.request

import grpc
from mlserver import types
from mlserver.codecs import StringCodec
from mlserver.grpc import converters, dataplane_pb2_grpc
from said import check, same, server

SERVER = server()
METADATA = (("authorization", SERVER.headers["authorization"]),)
JSON = json.dumps({"name": "Foo Bar", "message": "Hello"})


def post(path, body):
    headers = {**SERVER.headers, "content-type": "application/json"}
    asked = urllib.request.Request(f"http://{SERVER.http}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.read()


def echoed(response):
    return json.loads(StringCodec.decode_output(response.outputs[0])[0])["request"]["echo_request"]["name"]


def grpc_request(name, tensor):
    made = types.InferenceRequest(inputs=[tensor])
    return converters.ModelInferRequestConverter.from_types(made, model_name=name, model_version=None)


prompt = types.InferenceRequest(
    inputs=[types.RequestInput(name="prompt", shape=[1], datatype="BYTES", data=types.TensorData(root=["one two"]))]
)

with check("custom JSON: a text whose shape counts its letters"):
    one = {"name": "echo_request", "shape": [len(JSON)], "datatype": "BYTES", "data": [JSON]}
    answer = types.InferenceResponse.model_validate_json(post("/v2/models/json-hello/infer", {"inputs": [one]}))
    same("Foo Bar", echoed(answer))

with check("generate_stream: an inference request, with everything that is null"):
    events = post("/v2/models/text-model/generate_stream", prompt.model_dump()).split(b"\n\n")
    found = [types.InferenceResponse.model_validate_json(event[6:]) for event in events if event.strip()]
    same(["one", "two"], [StringCodec.decode_output(one.outputs[0])[0] for one in found])

with grpc.insecure_channel(SERVER.grpc) as channel:
    stub = dataplane_pb2_grpc.GRPCInferenceServiceStub(channel)
    with check("custom JSON by gRPC"):
        one = types.RequestInput(
            name="echo_request", shape=[len(JSON)], datatype="BYTES", data=types.TensorData(root=[JSON.encode()])
        )
        answer = stub.ModelInfer(grpc_request("json-hello", one), metadata=METADATA, timeout=60)
        same("Foo Bar", echoed(converters.ModelInferResponseConverter.to_types(answer)))
    with check("ModelStreamInfer"):
        sent = iter([grpc_request("text-model", StringCodec.encode_input("prompt", ["one two"]))])
        answers = [
            converters.ModelInferResponseConverter.to_types(answer)
            for answer in stub.ModelStreamInfer(sent, metadata=METADATA, timeout=60)
        ]
        same(["one", "two"], [StringCodec.decode_output(one.outputs[0])[0] for one in answers])
