"""MLServer's own gRPC classes on ModelStreamInfer, in MLServer's form, and its infer_stream over HTTP."""

import json
import urllib.request

import grpc
from mlserver import types
from mlserver.codecs import StringCodec
from mlserver.grpc import converters, dataplane_pb2_grpc
from said import check, refused, same, server

SERVER = server()
METADATA = (("authorization", SERVER.headers["authorization"]), ("mlserver-stream", "true"))


def request(text):
    one = types.RequestInput(name="text_input", shape=[1], datatype="BYTES", data=types.TensorData(root=[text]))
    return types.InferenceRequest(inputs=[one], parameters=types.Parameters(content_type="str"))


def words(stub, text):
    sent = iter([converters.ModelInferRequestConverter.from_types(request(text.encode()), model_name="words")])
    for answer in stub.ModelStreamInfer(sent, metadata=METADATA, timeout=60):
        response = converters.ModelInferResponseConverter.to_types(answer)
        yield StringCodec.decode_output(response.outputs[0])[0]


with grpc.insecure_channel(SERVER.grpc) as channel:
    stub = dataplane_pb2_grpc.GRPCInferenceServiceStub(channel)
    with check("ModelStreamInfer"):
        same(["one", "two", "three"], list(words(stub, "one two three")))
    with check("ModelStreamInfer: answers come while others are made"):
        endless = words(stub, "now and for ever")
        same(["now", "and", "for", "ever", "now"], [next(endless) for _ in range(5)])
        endless.close()
    with check("ModelStreamInfer: an error ends it"), refused(grpc.RpcError, "not spoken"):
        list(words(stub, "one fail two"))

with check("infer_stream"):
    body = request("one two").model_dump_json(exclude_none=True).encode()
    headers = {**SERVER.headers, "content-type": "application/json"}
    asked = urllib.request.Request(f"http://{SERVER.http}/v2/models/words/infer_stream", body, headers)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        events = [types.InferenceResponse.model_validate(json.loads(line[6:])) for line in answer if line.strip()]
    same(["one", "two"], [StringCodec.decode_output(one.outputs[0])[0] for one in events])
