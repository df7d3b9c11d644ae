"""Every call of tritonclient's four clients: tritonclient_calls.py SERVER http|http.aio|grpc|grpc.aio."""

import asyncio
import importlib
import json
import sys
from inspect import isawaitable

import numpy as np
from said import DATATYPES, check, numbers, refused, same, server
from tritonclient.utils import InferenceServerException as Refusal

FLAVOUR = sys.argv[2]
HTTP, AIO = FLAVOUR.startswith("http"), FLAVOUR.endswith("aio")
triton = importlib.import_module(f"tritonclient.{FLAVOUR}")
SERVER = server()
AS_JSON = {} if HTTP else {"as_json": True}

ADDS = {
    "backend": "python",
    "max_batch_size": 4,
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [2]}],
    "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": ["2"]}],
    "parameters": {"k": {"string_value": "v"}},
    "dynamic_batching": {"preferred_batch_size": [2, 4]},
}
TROUBLE = b"raise ValueError('nothing but trouble')"


def adds(more):
    return f"""
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        found = [pb_utils.get_input_tensor_by_name(one, "x").as_numpy() + {more} for one in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", one.astype("f4"))]) for one in found]
""".encode()


FIRST = np.arange(16, dtype=np.int32).reshape(1, 16)
ONES = np.ones((1, 16), np.int32)


class Client:
    """The one under test: its calls, with the key, awaited where they must be."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        call = getattr(self._client, name)

        async def ask(*arguments, **options):
            found = call(*arguments, headers=dict(SERVER.headers), **options)  # some calls write into it
            return await found if isawaitable(found) else found

        return ask


def tensor(name, datatype, array, *, binary=True):
    given = triton.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, **({"binary_data": binary} if HTTP else {}))
    return given


def simple_inputs(*, binary=True):
    return [tensor(name, "INT32", array, binary=binary) for name, array in (("INPUT0", FIRST), ("INPUT1", ONES))]


def wanted(name, **options):
    return triton.InferRequestedOutput(name, **options)


def sums(answer):
    same(FIRST + ONES, answer.as_numpy("OUTPUT0"))
    same(FIRST - ONES, answer.as_numpy("OUTPUT1"))


def name_of(answer):
    return answer.get_response(**AS_JSON)["model_name"]


async def health(client):
    with check("live"):
        assert await client.is_server_live()
    with check("ready"):
        assert await client.is_server_ready()
    with check("a model is ready"):
        assert await client.is_model_ready("simple")
    with check("a version is ready"):
        assert await client.is_model_ready("simple", "1.0.0")
    with check("a major version is ready"):
        assert await client.is_model_ready("simple", "1")
    with check("an unknown model is not ready"):
        assert not await client.is_model_ready("nosuchmodel")
    with check("an unknown version is not ready"):
        assert not await client.is_model_ready("simple", "7")


async def about(client):
    with check("metadata of the server"):
        told = await client.get_server_metadata(**AS_JSON)
        assert told["name"]
        assert told["version"]
        assert "binary_tensor_data" in told["extensions"]
    with check("metadata of a model"):
        told = await client.get_model_metadata("simple", **AS_JSON)
        same(("simple", ["1.0.0"]), (told["name"], told["versions"]))
        same(["INPUT0", "INPUT1"], [one["name"] for one in told["inputs"]])
        same([-1, 16], [int(size) for size in told["outputs"][0]["shape"]])
        same("INT32", told["inputs"][0]["datatype"])
        assert told["platform"]
    with check("metadata of a version"):
        same(["1.0.0"], (await client.get_model_metadata("simple", "1.0.0", **AS_JSON))["versions"])
    with check("metadata of a model of files"):
        told = await client.get_model_metadata("files", **AS_JSON)
        same(("input.txt", "BYTES"), (told["inputs"][0]["name"], told["inputs"][0]["datatype"]))
    with check("metadata of an unknown model"), refused(Refusal, "nosuchmodel", "is not found"):
        await client.get_model_metadata("nosuchmodel", **AS_JSON)


async def measures(client):
    with check("configuration"):
        told = await client.get_model_config("simple", **AS_JSON)
        told = told.get("config", told)
        same(("simple", 8), (told["name"], told["max_batch_size"]))
        same(("INPUT0", "TYPE_INT32"), (told["input"][0]["name"], told["input"][0]["data_type"]))
        same([16], [int(size) for size in told["input"][0]["dims"]])
    with check("statistics of a model"):
        [told] = (await client.get_inference_statistics("simple", **AS_JSON))["model_stats"]
        same(("simple", "1.0.0"), (told["name"], told["version"]))
        assert int(told["inference_stats"]["success"]["count"]) >= 1
        assert int(told["inference_count"]) >= int(told["execution_count"]) >= 1
    with check("statistics of all models"):
        told = (await client.get_inference_statistics(**AS_JSON))["model_stats"]
        assert {"simple", "identity", "files"} <= {one["name"] for one in told}
    with check("statistics of an unknown model"), refused(Refusal, "nosuchmodel"):
        await client.get_inference_statistics("nosuchmodel", **AS_JSON)


async def repository(client, spare):
    async def states():
        told = await client.get_model_repository_index(**AS_JSON)
        return {one["name"]: one.get("state") for one in (told if HTTP else told["models"])}

    with check("repository index"):
        same("READY", (await states())["simple"])
    with check("unload"):
        await client.unload_model(spare)
        assert not await client.is_model_ready(spare)
        assert (await states())[spare] in ("UNAVAILABLE", "UNLOADING")
    with check("inference with a model that is not loaded"), refused(Refusal, spare):
        await client.infer(spare, simple_inputs())
    with check("load"):
        await client.load_model(spare)
        assert await client.is_model_ready(spare)
        sums(await client.infer(spare, simple_inputs()))
    with check("load an unknown model"), refused(Refusal, "nosuchmodel"):
        await client.load_model("nosuchmodel")


async def brought(client, name):
    """A model that comes with the request."""
    for more, version in ((1, "7.0.0"), (2, "7.0.1")):
        with check(f"load with files, {version}"):
            await client.load_model(name, config=json.dumps(ADDS), files={"file:7/model.py": adds(more)})
            assert await client.is_model_ready(name)
            answer = await client.infer(name, [tensor("x", "FP32", np.float32([[1, 2]]))])
            same(np.float32([[1 + more, 2 + more]]), answer.as_numpy("y"))
            same(version, answer.get_response(**AS_JSON)["model_version"])
    with check("the configuration that it came with"):
        told = await client.get_model_config(name, **AS_JSON)
        told = told.get("config", told)
        same({"k": {"string_value": "v"}}, told["parameters"])
        same([2, 4], told["dynamic_batching"]["preferred_batch_size"])
        same(name, told["name"])
    with check("statistics of elements and calls"):
        before = await counted(client, name)
        for _ in range(2):  # the second one in words that are known
            await client.infer(name, [tensor("x", "FP32", np.float32([[1, 2]] * 3))])
        after = await counted(client, name)
        same((6, 2), (after[0] - before[0], after[1] - before[1]))
    with check("load with files that do not work"), refused(Refusal, name, "nothing but trouble"):
        await client.load_model(name, config=json.dumps(ADDS), files={"file:8/model.py": TROUBLE})
    with check("what was loaded before goes on"):
        assert await client.is_model_ready(name)
    await with_another_config(client, name)
    with check("unload what was loaded with files"):
        await client.unload_model(name)


async def with_another_config(client, name):
    """Of the version 7.0.1 that came with the requests before."""
    with check("load with the config that it has"):
        await client.load_model(name, config=json.dumps(ADDS))
        answer = await client.infer(name, [tensor("x", "FP32", np.float32([[1, 2]]))])
        same("7.0.1", answer.get_response(**AS_JSON)["model_version"])
    with check("load with another config alone"):
        other = ADDS | {"parameters": {"k": {"string_value": "w"}}}
        await client.load_model(name, config=json.dumps(other))
        answer = await client.infer(name, [tensor("x", "FP32", np.float32([[1, 2]]))])
        same(np.float32([[3, 4]]), answer.as_numpy("y"))
        told = await client.get_model_config(name, **AS_JSON)
        same({"k": {"string_value": "w"}}, told.get("config", told)["parameters"])
    with check("load with a config that does not work"), refused(Refusal, name, "nosuchbackend"):
        await client.load_model(name, config=json.dumps(ADDS | {"backend": "nosuchbackend"}))
    with check("load with a config of a model of another kind"), refused(Refusal, "layout of a Triton repository"):
        await client.load_model("files", config="{}")


async def counted(client, name):
    """Elements and calls, of which the batches must tell the same."""
    [told] = (await client.get_inference_statistics(name, **AS_JSON))["model_stats"]
    batches = [(int(one["batch_size"]), int(one["compute_infer"]["count"])) for one in told["batch_stats"]]
    found = int(told["inference_count"]), int(told["execution_count"])
    same((sum(size * count for size, count in batches), sum(count for _, count in batches)), found)
    return found


async def settings(client):
    with check("log settings"):
        told = await client.get_log_settings(**AS_JSON)
        assert "log_verbose_level" in (told if HTTP else told["settings"])
    with check("change log settings"):
        told = await client.update_log_settings({"log_info": True}, **AS_JSON)
        changed = told if HTTP else {key: next(iter(one.values())) for key, one in told["settings"].items()}
        assert changed["log_info"] is True
    with check("trace settings"):
        told = await client.get_trace_settings(**AS_JSON)
        assert "trace_level" in (told if HTTP else told["settings"])
    with check("change trace settings of a model"):
        told = await client.update_trace_settings(model_name="simple", settings={"trace_rate": "500"}, **AS_JSON)
        same("500", told["trace_rate"] if HTTP else told["settings"]["trace_rate"]["value"][0])
        await client.update_trace_settings(model_name="simple", settings={"trace_rate": None}, **AS_JSON)


async def shared_memory(client):
    for kind in ("system", "cuda"):
        with check(f"no {kind} shared memory"):
            assert not await getattr(client, f"get_{kind}_shared_memory_status")(**AS_JSON)
        with check(f"forget {kind} shared memory"):
            await getattr(client, f"unregister_{kind}_shared_memory")()
    with check("system shared memory is refused with a sentence"), refused(Refusal, "shared memory"):
        await client.register_system_shared_memory("region", "/key", 64)
    with check("cuda shared memory is refused with a sentence"), refused(Refusal, "shared memory"):
        await client.register_cuda_shared_memory("region", b"AAAA", 0, 64)
    with check("a tensor in shared memory is refused with a sentence"):
        inputs = simple_inputs()
        inputs[0].set_shared_memory("region", 64)
        with refused(Refusal, "shared memory"):
            await client.infer("simple", inputs)


async def inference(client):
    with check("infer"):
        sums(answer := await client.infer("simple", simple_inputs()))
        same("simple", name_of(answer))
    with check("by version"):
        sums(await client.infer("simple", simple_inputs(), model_version="1.0.0"))
    with check("outputs in the order asked for"):
        answer = await client.infer("simple", simple_inputs(), outputs=[wanted("OUTPUT1"), wanted("OUTPUT0")])
        same(["OUTPUT1", "OUTPUT0"], [one["name"] for one in answer.get_response(**AS_JSON)["outputs"]])
        sums(answer)
    with check("one output only"):
        answer = await client.infer("simple", simple_inputs(), outputs=[wanted("OUTPUT1")])
        assert answer.as_numpy("OUTPUT0") is None
        same(FIRST - ONES, answer.as_numpy("OUTPUT1"))
    with check("request id"):
        answer = await client.infer("simple", simple_inputs(), request_id="ä" * 300 if HTTP else "x" * 300)
        assert answer.get_response(**AS_JSON)["id"] in ("ä" * 300, "x" * 300)


async def together(client):
    with check("sequence, priority, timeout and parameters do not disturb"):
        sums(
            await client.infer(
                "simple",
                simple_inputs(),
                sequence_id=7,
                sequence_start=True,
                sequence_end=True,
                priority=1,
                timeout=30_000_000,
                parameters={"text": "x", "whole": 3, "yes": True},
            )
        )
    with check("no tensor is left behind by another request of the batch"):
        asked = [np.full((1, 16), number, np.int32) for number in range(40)]
        given = [[tensor("INPUT0", "INT32", one), tensor("INPUT1", "INT32", ONES)] for one in asked]
        if AIO:
            answers = await asyncio.gather(*(client.infer("simple", one) for one in given))
        else:
            answers = [await client.infer("simple", one) for one in given]
        for one, answer in zip(asked, answers, strict=True):
            same(one + ONES, answer.as_numpy("OUTPUT0"))


async def special(client):
    with check("classification"):
        answer = await client.infer("simple", simple_inputs(), outputs=[wanted("OUTPUT0", class_count=2)])
        same([[b"16:15:label 15", b"15:14:label 14"]], answer.as_numpy("OUTPUT0").tolist())
    for algorithm in ("gzip", "deflate"):
        with check(f"compression {algorithm}"):
            options = {"compression_algorithm": algorithm}
            if HTTP:
                options = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
            sums(await client.infer("simple", simple_inputs(), **options))
    with check("602 kB"):
        picture = np.random.default_rng(1).random((1, 3, 224, 224), np.float32)
        same(picture, (await client.infer("identity", [tensor("x", "FP32", picture)])).as_numpy("x"))
    with check("a model of files"):
        words = np.array([b"one", b"three"], np.object_)
        answer = await client.infer("files", [tensor("input.txt", "BYTES", words)])
        found = answer.as_numpy("results.json")
        same((2,), found.shape)
        assert b'"one"' in found[0]
        assert b'"three"' in found[1]


async def datatypes(client):
    for datatype in DATATYPES:
        for array in (numbers(datatype), numbers(datatype)[:0], numbers(datatype).reshape(6)):
            with check(f"{datatype} {array.shape}"):
                same(array, (await client.infer("identity", [tensor("x", datatype, array)])).as_numpy("x"))
        if HTTP and datatype not in ("FP16", "BYTES"):
            with check(f"{datatype} in JSON both ways"):
                given = [tensor("x", datatype, numbers(datatype), binary=False)]
                answer = await client.infer("identity", given, outputs=[wanted("x", binary_data=False)])
                same(numbers(datatype), answer.as_numpy("x"))
    if HTTP:
        with check("BYTES in JSON"):
            words = np.array(["a", "ä😀"], np.object_)
            given = [tensor("x", "BYTES", words, binary=False)]
            answer = await client.infer("identity", given, outputs=[wanted("x", binary_data=False)])
            same(["a", "ä😀"], list(answer.as_numpy("x")))
        with check("FP16 as JSON answer"):
            half = numbers("FP16")
            given = [tensor("x", "FP16", half)]
            answer = await client.infer("identity", given, outputs=[wanted("x", binary_data=False)])
            same(half, answer.as_numpy("x"))
        with check("binary in, JSON out and the other way"):
            given = [simple_inputs()[0], simple_inputs(binary=False)[1]]
            outputs = [wanted("OUTPUT0", binary_data=False), wanted("OUTPUT1", binary_data=True)]
            sums(await client.infer("simple", given, outputs=outputs))
    with check("BF16"):
        import ml_dtypes  # noqa: PLC0415 - comes with tritonclient[all] of today, not of yesterday

        array = np.array([1, -2.5, 3e38], ml_dtypes.bfloat16)
        answer = await client.infer("identity", [tensor("x", "BF16", array)])
        same(array.astype(np.float32), answer.as_numpy("x").astype(np.float32))
    with check("not a number, and infinite"):
        array = np.array([np.nan, np.inf, -np.inf], np.float32)
        same(array, (await client.infer("identity", [tensor("x", "FP32", array)])).as_numpy("x"))


async def refusals(client):
    short = np.ones((1, 15), np.int32)
    floats = np.ones((1, 16), np.float32)
    one, other = simple_inputs()
    cases = {
        "unknown model": ("nosuchmodel", [one, other], ("nosuchmodel", "is not found")),
        "missing input": ("simple", [one], ("expected 2 inputs but got 1", "INPUT1")),
        "unknown input": ("simple", [one, tensor("OTHER", "INT32", ONES)], ("OTHER",)),
        "input twice": ("simple", [one, one], ("INPUT0",)),
        "wrong datatype": ("simple", [one, tensor("INPUT1", "FP32", floats)], ("FP32", "INT32", "INPUT1")),
        "wrong shape": ("simple", [one, tensor("INPUT1", "INT32", short)], ("INPUT1", "[-1,16]", "[1,15]")),
        "batch too large": ("simple", batch(9, 9), ("batch-size must be <= 8",)),
        "batches of two sizes": ("simple", batch(1, 2), ("batch size",)),
    }
    for what, (model, inputs, words) in cases.items():
        with check(f"refused: {what}"), refused(Refusal, *words):
            await client.infer(model, inputs)
    with check("refused: unknown version"), refused(Refusal, "version 7", "is not found"):
        await client.infer("simple", [one, other], model_version="7")
    with check("refused: unknown output"), refused(Refusal, "unexpected inference output 'OTHER'"):
        await client.infer("simple", [one, other], outputs=[wanted("OTHER")])
    with check("the model's own error is told"), refused(Refusal, "boom"):
        await client.infer("files", [tensor("input.txt", "BYTES", np.array([b"fail boom"], np.object_))])
    with check("and the connection goes on"):
        sums(await client.infer("simple", [one, other]))


def batch(*sizes):
    return [tensor(f"INPUT{n}", "INT32", np.ones((size, 16), np.int32)) for n, size in enumerate(sizes)]


async def wrong_key(client):
    with check("a wrong key is told"), refused(Refusal):
        found = client.infer("simple", simple_inputs(), headers={"authorization": "ApiKey wrong"})
        await found if isawaitable(found) else None


def asynchronous(client):
    """The calls of the two clients without asyncio that do not wait."""
    with check("async_infer"):
        if HTTP:
            found = [client.async_infer("simple", simple_inputs(), headers=SERVER.headers) for _ in range(4)]
            answers = [one.get_result() for one in found]
        else:
            import queue  # noqa: PLC0415 - only here

            came = queue.Queue()
            for _ in range(4):
                client.async_infer(
                    "simple", simple_inputs(), lambda result, error: came.put((result, error)), headers=SERVER.headers
                )
            answers = [came.get(timeout=20)[0] for _ in range(4)]
        for answer in answers:
            sums(answer)
    if HTTP:
        with check("raw body: one tensor without any JSON"):
            import urllib.request  # noqa: PLC0415 - only here

            head = SERVER.headers | {"Inference-Header-Content-Length": "0"}
            request = urllib.request.Request(
                f"http://{SERVER.http}/v2/models/vector/infer", numbers("FP32", (6,)).tobytes(), head
            )
            with urllib.request.urlopen(request) as told:
                length = int(told.headers["Inference-Header-Content-Length"])
                answer = triton.InferenceServerClient.parse_response_body(told.read(), header_length=length)
            same(numbers("FP32", (6,)), answer.as_numpy("OUTPUT"))
        with check("request body made by hand"):
            body, length = triton.InferenceServerClient.generate_request_body(simple_inputs())
            request = urllib.request.Request(
                f"http://{SERVER.http}/v2/models/simple/infer",
                body,
                SERVER.headers | {"Inference-Header-Content-Length": str(length)},
            )
            with urllib.request.urlopen(request) as told:
                length = int(told.headers["Inference-Header-Content-Length"])
                sums(triton.InferenceServerClient.parse_response_body(told.read(), header_length=length))


def streams(client):
    import queue  # noqa: PLC0415 - only here

    came = queue.Queue()
    client.start_stream(lambda result, error: came.put((result, error)), headers=SERVER.headers)
    with check("stream: an answer for every request, with its id and the final mark"):
        for number in range(8):
            client.async_stream_infer("simple", simple_inputs(), request_id=str(number))
        found = {}
        for _ in range(8):
            answer, error = came.get(timeout=20)
            assert error is None, error
            sums(answer)
            response = answer.get_response()
            found[response.id] = response.parameters["triton_final_response"].bool_param
        same({str(number): True for number in range(8)}, found)
    with check("stream: an error stays inside, and the stream goes on"):
        client.async_stream_infer("nosuchmodel", simple_inputs(), request_id="bad")
        answer, error = came.get(timeout=20)
        assert "nosuchmodel" in str(error), (answer, error)
        client.async_stream_infer("simple", simple_inputs(), request_id="good")
        sums(came.get(timeout=20)[0])
    with check("stream: ends"):
        client.stop_stream()


async def aio_streams(client):
    async def asked():
        for number in range(8):
            yield {"model_name": "simple", "inputs": simple_inputs(), "request_id": str(number)}
        yield {"model_name": "nosuchmodel", "inputs": simple_inputs(), "request_id": "bad"}

    with check("stream"):
        found, errors = set(), []
        async for answer, error in client.stream_infer(asked(), headers=SERVER.headers):
            if error is None:
                sums(answer)
                found.add(answer.get_response().id)
            else:
                errors.append(str(error))
        same({str(number) for number in range(8)}, found)
        assert len(errors) == 1, errors
        assert "nosuchmodel" in errors[0]


def explicit():
    """Typed contents, as Triton's grpc_explicit_* examples send them: tritonclient only reads raw answers."""
    import grpc  # noqa: PLC0415 - only here
    from tritonclient.grpc import service_pb2, service_pb2_grpc  # noqa: PLC0415 - only here

    with check("typed contents in, raw contents out"):
        request = service_pb2.ModelInferRequest(model_name="simple")
        for name, array in (("INPUT0", FIRST), ("INPUT1", ONES)):
            given = request.inputs.add(name=name, datatype="INT32", shape=[1, 16])
            given.contents.int_contents[:] = array.ravel().tolist()
        with grpc.insecure_channel(SERVER.grpc) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            answer = stub.ModelInfer(request, metadata=tuple(SERVER.headers.items()))
        same(["OUTPUT0", "OUTPUT1"], [one.name for one in answer.outputs])
        same((FIRST + ONES).tobytes(), answer.raw_output_contents[0])


async def main():
    client = triton.InferenceServerClient(SERVER.http if HTTP else SERVER.grpc)
    calls = Client(client)
    await health(calls)
    await inference(calls)
    await together(calls)
    await special(calls)
    await about(calls)
    await measures(calls)
    await settings(calls)
    await shared_memory(calls)
    await datatypes(calls)
    await refusals(calls)
    await wrong_key(client)
    if FLAVOUR == "grpc":
        streams(client)
        explicit()
    if FLAVOUR == "grpc.aio":
        await aio_streams(client)
    if not AIO:
        asynchronous(client)
    await repository(calls, f"spare.{FLAVOUR}")
    await brought(calls, f"brought.{FLAVOUR}")
    found = client.close()
    if isawaitable(found):
        await found


asyncio.run(main())
