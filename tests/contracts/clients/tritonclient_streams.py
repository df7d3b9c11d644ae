"""tritonclient's streams, sequences and shared memory: tritonclient_streams.py SERVER."""

import asyncio
import json
import queue
import secrets
import urllib.request

import numpy as np
import tritonclient.grpc as sync
import tritonclient.utils.shared_memory as shm
from said import check, refused, same, server
from tritonclient import http
from tritonclient.grpc import aio
from tritonclient.utils import InferenceServerException as Refusal

SERVER = server()


def tensor(module, name, datatype, array):
    given = module.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return given


def numbers(*values, module=sync):
    return [tensor(module, "IN", "INT32", np.array(values, np.int32))]


class Heard:
    """Answers as they come to the callback."""

    def __init__(self):
        self._queue = queue.Queue()

    def __call__(self, result, error):
        self._queue.put((result, error))

    def next(self):
        result, error = self._queue.get(timeout=60)
        if error is not None:
            raise error
        return result

    def either(self):
        return self._queue.get(timeout=60)

    def empty(self):
        return self._queue.empty()


def final(result):
    return result.get_response().parameters["triton_final_response"].bool_param


def decoupled():
    with sync.InferenceServerClient(SERVER.grpc) as client:
        heard = Heard()
        client.start_stream(heard, headers=dict(SERVER.headers))
        with check("decoupled: any number of answers, in order"):
            client.async_stream_infer("repeat", numbers(4, 5, 6), request_id="a")
            found = [heard.next() for _ in range(3)]
            same([4, 5, 6], [int(one.as_numpy("OUT")[0]) for one in found])
            same([0, 1, 2], [int(one.as_numpy("IDX")[0]) for one in found])
            same(["a"] * 3, [one.get_response().id for one in found])
            same([False] * 3, [final(one) for one in found])
        with check("decoupled: the end is said to whoever wants to hear it"):
            client.async_stream_infer("repeat", numbers(7), request_id="b", enable_empty_final_response=True)
            same(7, int(heard.next().as_numpy("OUT")[0]))
            end = heard.next()
            same((True, "b", 0), (final(end), end.get_response().id, len(end.get_response().outputs)))
        with check("decoupled: an error is an answer, and the stream goes on"):
            client.async_stream_infer("repeat", numbers(1, 666, 3))
            same(1, int(heard.next().as_numpy("OUT")[0]))
            with refused(Refusal, "the number of the beast"):
                heard.next()
        with check("decoupled: many requests at once"):
            for count in range(1, 11):
                client.async_stream_infer("repeat", numbers(*range(count)), request_id=str(count))
            counts = {}
            for _ in range(55):
                one = heard.next()
                counts.setdefault(one.get_response().id, []).append(int(one.as_numpy("OUT")[0]))
            same({str(count): list(range(count)) for count in range(1, 11)}, counts)
        client.stop_stream()


def endless():
    said = check("decoupled: answers come while others are made; who leaves stops the model")
    with sync.InferenceServerClient(SERVER.grpc) as client, said:
        for _ in range(6):  # more often than there are replicas: each is good again afterwards
            heard = Heard()
            client.start_stream(heard, headers=dict(SERVER.headers))
            client.async_stream_infer("repeat", numbers(-1, 2))
            same([-1, 2, -1, 2], [int(heard.next().as_numpy("OUT")[0]) for _ in range(4)])
            client.stop_stream(cancel_requests=True)


def one_answer():
    with check("decoupled: one answer is not what it gives"), sync.InferenceServerClient(SERVER.grpc) as client:
        with refused(Refusal, "ModelInfer RPC doesn't support models with decoupled transaction policy"):
            client.infer("repeat", numbers(1), headers=dict(SERVER.headers))
        assert client.get_model_config("repeat").config.model_transaction_policy.decoupled
    with (
        check("decoupled: nor over HTTP"),
        http.InferenceServerClient(SERVER.http) as client,
        refused(Refusal, "HTTP end point doesn't support models with decoupled transaction policy"),
    ):
        client.infer("repeat", numbers(1, module=http), headers=dict(SERVER.headers))


async def decoupled_aio():
    async def asked():
        yield {"model_name": "repeat", "inputs": numbers(4, 5, module=aio), "request_id": "a"}
        yield {"model_name": "repeat", "inputs": numbers(666, module=aio), "request_id": "b"}
        yield {"model_name": "repeat", "inputs": numbers(6, module=aio), "request_id": "c"}

    async def endless():
        yield {"model_name": "repeat", "inputs": numbers(-1, module=aio)}
        await asyncio.Event().wait()

    async with aio.InferenceServerClient(SERVER.grpc) as client:
        with check("aio: any number of answers, errors among them"):
            found, errors = [], []
            async for result, error in client.stream_infer(asked(), headers=SERVER.headers):
                if error is not None:
                    errors.append(str(error))
                else:
                    found.append((result.get_response().id, int(result.as_numpy("OUT")[0])))
            same([("a", 4), ("a", 5), ("c", 6)], sorted(found))
            assert any("beast" in error for error in errors), errors
        with check("aio: an endless stream is cancelled"):
            stream = client.stream_infer(endless(), headers=SERVER.headers)
            count = 0
            async for _, error in stream:
                assert error is None, error
                count += 1
                if count == 200:
                    break
            stream.cancel()


def add(client, module, one, value, **flags):
    given = [tensor(module, "INPUT", "INT32", np.array([[value]], np.int32))]
    named = {f"sequence_{name}": flag for name, flag in flags.items()}
    answer = client.infer("steps", given, sequence_id=one, headers=dict(SERVER.headers), **named)
    return int(answer.as_numpy("OUTPUT")[0, 0])


def sequences():
    """As Triton's simple_*_sequence examples: two at once, over both protocols."""
    for name, module, where in (("http", http, SERVER.http), ("grpc", sync, SERVER.grpc)):
        with module.InferenceServerClient(where) as client:
            for kind, first, second in (("numbers", 1001, 1002), ("texts", f"{name}-a", f"{name}-b")):
                with check(f"{name}: sequences named by {kind}"):
                    same(
                        [1, 10],
                        [add(client, module, one, value, start=True) for one, value in ((first, 1), (second, 10))],
                    )
                    for value in range(2, 6):
                        add(client, module, first, value)
                        add(client, module, second, 10 * value)
                    same(
                        [21, 210],
                        [add(client, module, one, value, end=True) for one, value in ((first, 6), (second, 60))],
                    )
            unknown = refused(Refusal, "must specify the START flag on the first request of the sequence")
            with check(f"{name}: an unknown sequence"), unknown:
                add(client, module, 77, 1)
            none = refused(Refusal, "must specify a non-zero or non-empty correlation ID")
            with check(f"{name}: no sequence"), none:
                add(client, module, 0, 1)


def sequences_on_a_stream():
    said = check("sequences on a stream: in the order in which they were sent")
    with sync.InferenceServerClient(SERVER.grpc) as client, said:
        heard = Heard()
        client.start_stream(heard, headers=dict(SERVER.headers))
        for number in range(1, 31):
            for one in (2001, "text"):
                given = [tensor(sync, "INPUT", "INT32", np.array([[number]], np.int32))]
                flags = {"sequence_start": number == 1, "sequence_end": number == 30}
                client.async_stream_infer("steps", given, request_id=f"{one}_{number}", sequence_id=one, **flags)
        found = {}
        for _ in range(60):
            answer = heard.next()
            found[answer.get_response().id] = int(answer.as_numpy("OUTPUT")[0, 0])
        client.stop_stream()
        expected = [number * (number + 1) // 2 for number in range(1, 31)]
        for one in (2001, "text"):
            same(expected, [found[f"{one}_{number}"] for number in range(1, 31)])


FIRST, SECOND = np.arange(16, dtype=np.int32).reshape(1, 16), np.ones((1, 16), np.int32)


def shared(name, module, where):
    mark, headers = secrets.token_hex(6), {"headers": dict(SERVER.headers)}
    regions = [shm.create_shared_memory_region(one, f"/oip_{mark}_{one}", 128) for one in ("input", "output")]
    try:
        with module.InferenceServerClient(where) as client, check(f"{name}: shared memory"):
            client.unregister_system_shared_memory(**headers)
            shm.set_shared_memory_region(regions[0], [FIRST, SECOND])
            for one in ("input", "output"):
                client.register_system_shared_memory(one, f"/oip_{mark}_{one}", 128, **headers)
            assert "input" in str(client.get_system_shared_memory_status(**headers))
            given, wanted = tensors_in(module)
            answer = client.infer("simple", given, outputs=wanted, **headers)
            for number, expected in enumerate((FIRST + SECOND, FIRST - SECOND)):
                assert answer.get_output(f"OUTPUT{number}") is not None
                same(expected, shm.get_contents_as_numpy(regions[1], np.int32, [1, 16], offset=64 * number))
        with module.InferenceServerClient(where) as client, check(f"{name}: shared memory that is not there"):
            not_shared(client, module, headers)
    finally:
        for region in regions:
            shm.destroy_shared_memory_region(region)


def tensors_in(module):
    given, wanted = [], []
    for number in range(2):
        given.append(module.InferInput(f"INPUT{number}", [1, 16], "INT32"))
        given[-1].set_shared_memory("input", 64, 64 * number)
        wanted.append(module.InferRequestedOutput(f"OUTPUT{number}"))
        wanted[-1].set_shared_memory("output", 64, 64 * number)
    return given, wanted


def not_shared(client, module, headers):
    given, wanted = tensors_in(module)
    given[0].set_shared_memory("nope", 64)
    with refused(Refusal, "Unable to find shared memory region: 'nope'"):
        client.infer("simple", given, outputs=wanted, **headers)
    given[0].set_shared_memory("input", 64)
    wanted[0].set_shared_memory("output", 60)
    with refused(Refusal, "should be at least 64 bytes to hold the results"):
        client.infer("simple", given, outputs=wanted, **headers)
    client.unregister_system_shared_memory("input", **headers)
    with refused(Refusal, "Unable to find"):
        client.get_system_shared_memory_status("input", **headers)
    client.unregister_system_shared_memory(**headers)
    with refused(Refusal, "CUDA shared memory is not supported"):
        client.register_cuda_shared_memory("cuda", b"AAAA", 0, 64, **headers)


def generated():
    def post(path, body):
        request = urllib.request.Request(f"http://{SERVER.http}{path}", json.dumps(body).encode(), dict(SERVER.headers))
        return urllib.request.urlopen(request, timeout=60)

    with check("generate_stream"):
        events = [
            json.loads(line[6:])
            for line in post("/v2/models/words/generate_stream", {"text_input": "a b c"})
            if line.strip()
        ]
        same(["a", "b", "c"], [one["text_output"] for one in events])
    with check("generate"):
        same("hello", json.load(post("/v2/models/words/generate", {"text_input": "hello"}))["text_output"])


def ensembles(name, module, address):
    """preprocess, model, postprocess: one request."""
    headers = {"headers": dict(SERVER.headers)}
    rows = np.array([[bytes(range(16))], [bytes(range(16, 0, -1))]], np.object_)
    with module.InferenceServerClient(address) as client:
        with check(f"{name}: an ensemble"):
            given = client.infer("pipeline", [tensor(module, "IMAGE", "BYTES", rows)], request_id="e", **headers)
            same([[b"number 15"], [b"number 0"]], given.as_numpy("LABEL").tolist())
            same([[1] * 16] * 2, given.as_numpy("DIFFERENCE").tolist())
        with check(f"{name}: one output of an ensemble"):
            wanted = [module.InferRequestedOutput("DIFFERENCE")]
            given = client.infer("pipeline", [tensor(module, "IMAGE", "BYTES", rows[:1])], outputs=wanted, **headers)
            same(None, given.as_numpy("LABEL"))
        with check(f"{name}: what an ensemble says of itself"):
            said = client.get_model_metadata("pipeline", **headers)
            said = (
                said
                if isinstance(said, dict)
                else {"platform": said.platform, "inputs": [{"name": said.inputs[0].name}]}
            )
            same(("ensemble", "IMAGE"), (said["platform"], said["inputs"][0]["name"]))
        short = np.array([[b"short"]], np.object_)
        with refused(Refusal, "in ensemble 'pipeline', "):
            client.infer("pipeline", [tensor(module, "IMAGE", "BYTES", short)], **headers)


decoupled()
endless()
one_answer()
asyncio.run(decoupled_aio())
sequences()
sequences_on_a_stream()
ensembles("http", http, SERVER.http)
ensembles("grpc", sync, SERVER.grpc)
shared("http", http, SERVER.http)
shared("grpc", sync, SERVER.grpc)
generated()
