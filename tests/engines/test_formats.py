"""Models of the usual formats, each in the environment that its folder gets when it says nothing of one."""

import asyncio
import base64
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from engines.keeper import SETTINGS, new_runner

import headrace
from headrace.dialects.dialect import ReplicaInfo, Told
from headrace.dialects.frames import Frames
from headrace.domain.errors import ModelFailed, Unsupported
from headrace.domain.question import Answer, Fault, Form, Question
from headrace.domain.replica import Hardware, Launch
from headrace.images.claims import read_claims, read_nature
from headrace.images.formats.mlserver import PINNED
from headrace.images.formats.mlserver import RUNTIMES as NEEDED
from headrace.inference.measures import Measures
from headrace.runners.environments import Environments
from headrace.runners.needs import Besides
from headrace.runners.uv import Uv
from headrace.settings import RunnerSettings
from headrace.storage.blobs import FolderBlobs

ROOMY = Hardware(memory_bytes=3 << 30)
LOADING = 60.0  # seconds

# y = x W with W = 0 to 11 in four rows, and "batch" as the first dimension
ONNX = base64.b64decode(
    "CAk6hwEKEQoBeAoBVxIBeSIGTWF0TXVsEgFnKjsIBAgDEAFCAVdKMAAAAAAAAIA/AAAAQAAAQEAAAIBAAACgQAAAwEAAAOBAAAAA"
    "QQAAEEEAACBBAAAwQVoYCgF4EhMKEQgBEg0KBxIFYmF0Y2gKAggEYhgKAXkSEwoRCAESDQoHEgViYXRjaAoCCANCBAoAEBE="
)
IRIS = """
import joblib, skops.io
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
model = LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True))
skops.io.dump(model, "{0}/model.skops"); joblib.dump(model, "{1}/model.joblib")
"""
ECHO = """
class Model:
    inputs = {"x": ("FP32", [-1, 4])}
    outputs = {"y": ("FP32", [-1, 4]), "sum": ("FP32", [-1])}
    max_batch_size = 64

    def predict(self, inputs):
        return {"y": inputs["x"], "sum": inputs["x"].sum(1)}
"""


class Workshop:
    """Makes environments once for all tests, and starts models in them."""

    def __init__(self, data: Path, uv: str) -> None:
        self._data = data
        self._environments = Environments(data, RunnerSettings(uv=uv))
        self._runner = new_runner(data / "runner", "process")

    async def python(self, folder: Path) -> tuple[str, str, str]:
        """The entry, the interpreter, and what is said of tensors."""
        _, entry, _ = read_claims(folder)
        nature = read_nature(folder, entry)
        besides = Besides(nature.requirements, nature.beside)
        return entry, str(await self._environments.prepare(folder, lambda _: None, besides)), nature.tensors

    @asynccontextmanager
    async def serving(self, folder: Path, outside: Any = None) -> AsyncIterator[tuple[Frames, ReplicaInfo]]:
        entry, python, tensors = await self.python(folder)
        running = await self._runner.start(Launch(folder.name, str(folder), python, entry, ROOMY))
        told = Told("simple", "1.0.0", tensors=tensors)
        frames = Frames(
            running.connection, FolderBlobs(self._data / "blobs", b"k" * 32), SETTINGS.output, told, outside
        )
        try:
            yield frames, await frames.ready(LOADING)
        finally:
            frames.close()
            await running.stop(1.0)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory) -> Workshop:
    os.environ.setdefault("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))
    try:
        uv = asyncio.run(Uv("", tmp_path_factory.mktemp("tools")).path())
    except Unsupported:
        if os.environ.get("HEADRACE_TEST_ALL") == "1":
            pytest.fail("pip install uv")
        pytest.skip("pip install uv")
    return Workshop(tmp_path_factory.mktemp("workshop"), uv)


def folder(path: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        file = path / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


async def run(python: str, program: str, where: Path) -> None:
    await asyncio.to_thread(subprocess.run, [python, "-c", program], check=True, cwd=where)


def tensor(name: str, datatype: str, shape: list[int], data: list[Any], **parameters: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data, "parameters": parameters}


def rest(*inputs: dict[str, Any], **more: Any) -> Question:
    return Question({"": json.dumps({"inputs": inputs, **more}).encode()}, Form.V2_REST)


async def asked(frames: Frames, *questions: Question) -> list[Answer]:
    return [answer async for answer in frames.run(questions, 10.0)]


def outputs(answer: Answer) -> dict[str, tuple[str, list[int], list[Any]]]:
    assert answer.error is None, answer.error
    body = answer.outputs[""].body
    assert isinstance(body, bytes)
    return {one["name"]: (one["datatype"], one["shape"], one["data"]) for one in json.loads(body)["outputs"]}


ROW = tensor("x", "FP32", [1, 4], [1, 2, 3, 4.5])
TWO_ROWS = tensor("x", "FP32", [2, 4], [1, 2, 3, 4.5, 0, 0, 0, 1])


async def test_a_class_that_takes_arrays(workshop, tmp_path) -> None:
    model = folder(tmp_path / "echo", model_dot_py=ECHO, requirements_dot_txt="numpy==2.4.6")

    async with workshop.serving(model) as (frames, info):
        answers = await asked(
            frames, rest(ROW), rest(TWO_ROWS, id="7"), rest(), Question({"x": b"[1, 2, 3, 4]"}), rest(ROW)
        )

    assert info.tensors is not None
    assert (("x",), ("y", "sum"), 64) == (info.inputs, info.outputs, info.tensors.max_batch_size)
    one, two, refused, files, again = answers
    assert {"y": ("FP32", [1, 4], [1, 2, 3, 4.5]), "sum": ("FP32", [1], [10.5])} == outputs(one) == outputs(again)
    assert ("FP32", [2], [10.5, 1.0]) == outputs(two)["sum"]
    assert "7" == two.meta["id"]
    assert (Fault.REQUEST, "application/json") == (refused.fault, one.outputs[""].media_type)
    assert {"y": b"[[1.0, 2.0, 3.0, 4.0]]", "sum": b"[10.0]"} == {name: out.body for name, out in files.outputs.items()}


async def test_large_tensors_come_and_go_in_memory(workshop, tmp_path) -> None:
    source = "class Model:\n    tensors = True\n    def predict(self, inputs):\n        return {'y': inputs['x']}\n"
    model = folder(tmp_path / "large", model_dot_py=source, requirements_dot_txt="numpy==2.4.6")
    data = os.urandom(600_000)
    head = json.dumps(
        {
            "inputs": [
                {"name": "x", "datatype": "INT32", "shape": [150_000], "parameters": {"binary_data_size": len(data)}}
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()

    async with workshop.serving(model) as (frames, _):
        [answer] = await asked(frames, Question({"": head + data}, Form.V2_REST, meta={"json": str(len(head))}))

    assert answer.error is None
    body = answer.outputs[""].body
    assert isinstance(body, bytes)
    assert data == body[int(answer.meta["json"]) :]
    assert "application/octet-stream" == answer.outputs[""].media_type


async def test_a_class_that_takes_arrays_without_numpy_is_told_so(workshop, tmp_path) -> None:
    with pytest.raises(ModelFailed, match="numpy"):
        async with workshop.serving(folder(tmp_path / "bare", model_dot_py=ECHO)):
            pass


async def test_onnx(workshop, tmp_path) -> None:
    async with workshop.serving(folder(tmp_path / "onnx", model_dot_onnx=ONNX)) as (frames, info):
        one, two, wrong = await asked(frames, rest(ROW), rest(TWO_ROWS), rest(ROW | {"name": "z"}))

    assert info.tensors is not None
    assert ("onnxruntime_onnx", (-1, 4)) == (info.tensors.platform, info.tensors.inputs[0].shape)
    assert {"y": ("FP32", [1, 3], [64.5, 75.0, 85.5])} == outputs(one)
    assert ("FP32", [2, 3], [64.5, 75.0, 85.5, 9.0, 10.0, 11.0]) == outputs(two)["y"]
    assert "unexpected inference input 'z' for model 'simple'" == wrong.error


# c = a + b, of tensors with any number of dimensions
ANY_RANK = base64.b64decode("CAkSADo0Cg4KAWEKAWISAWMiA0FkZBIBZ1oJCgFhEgQKAggBWgkKAWISBAoCCAFiCQoBYxIECgIIAUIECgAQEQ==")
# c = the rows of a, as a sequence of tensors
SEQUENCE = base64.b64decode(
    "CAkSADo9ChcKAWESAWMiD1NwbGl0VG9TZXF1ZW5jZRIBZ1oQCgFhEgsKCQgBEgUKAxIBbmINCgFjEggiBgoECgIIAUIECgAQEQ=="
)


async def test_onnx_of_any_rank_and_what_it_refuses(workshop, tmp_path) -> None:
    two, three = (tensor("a", "FP32", [size], [1] * size) for size in (2, 3))
    table = tensor("b", "FP32", [1, 2], [3, 4])
    async with workshop.serving(folder(tmp_path / "any", model_dot_onnx=ANY_RANK)) as (frames, _):
        fine, *wrong = await asked(
            frames, rest(two, table), rest(three, table), rest(two), rest(two, table | {"name": "z"})
        )

    assert {"c": ("FP32", [1, 2], [4, 5])} == outputs(fine)
    assert [Fault.REQUEST] * 3 == [answer.fault for answer in wrong], [answer.error for answer in wrong]
    assert all("the model cannot take these inputs" in str(answer.error) for answer in wrong)
    with pytest.raises(ModelFailed, match=r"that no tensor of the protocol can be: 'c' is seq\(tensor\(float\)\)"):
        async with workshop.serving(folder(tmp_path / "sequence", model_dot_onnx=SEQUENCE)):
            pass


async def test_scikit_learn(workshop, tmp_path) -> None:
    safe, pickled = folder(tmp_path / "safe", model_dot_skops=b""), folder(tmp_path / "pickled", model_dot_joblib=b"")
    _, python, _ = await workshop.python(safe)
    await run(python, IRIS.format(safe, pickled), tmp_path)
    wanted = [{"name": "predict_proba"}, {"name": "predict"}]

    for model in (safe, pickled):
        async with workshop.serving(model) as (frames, info):
            one, both = await asked(frames, rest(ROW), rest(TWO_ROWS, outputs=wanted))
        assert info.outputs == ("predict", "predict_proba", "decision_function")
        assert {"predict": ("INT64", [1], [2])} == outputs(one)
        assert ["predict_proba", "predict"] == list(outputs(both))
        assert [2, 3] == outputs(both)["predict_proba"][1]


SETTINGS_JSON = (
    '{"name": "summer", "implementation": "models.Summer", "max_batch_size": 4,'
    '"parameters": {"uri": "./weight.txt", "extra": {"plus": 3}}}'
)
SUMMER = """
from mlserver import MLModel, types
from mlserver.codecs import NumpyCodec, PandasCodec, StringCodec
from mlserver.errors import MLServerError
from mlserver.utils import get_model_uri

class Summer(MLModel):
    async def load(self):
        self.weight = int(open(await get_model_uri(self.settings)).read())
        return True

    async def predict(self, payload):
        if payload.parameters and payload.parameters.content_type == "pd":
            return self.encode_response(self.decode_request(payload), default_codec=PandasCodec)
        outputs = []
        for one in payload.inputs:
            value = self.decode(one, default_codec=NumpyCodec)
            if isinstance(value, list):
                outputs.append(StringCodec.encode_output(one.name, [str(item) for item in value]))
            elif (value < 0).any():
                raise MLServerError("negative", 422)
            else:
                plus = self.settings.parameters.extra["plus"]
                outputs.append(NumpyCodec.encode_output(one.name, value * self.weight + plus))
        return types.InferenceResponse(model_name=self.name, outputs=outputs)
"""


async def test_a_folder_of_mlserver_unmodified(workshop, tmp_path) -> None:
    files = {"model-settings_dot_json": SETTINGS_JSON, "models_dot_py": SUMMER, "weight_dot_txt": "2"}
    model = folder(tmp_path / "summer", **files)
    texts = ["aGVs", "2026-01-02T03:04:05+00:00"]
    columns = [
        tensor("First Name", "BYTES", [2], ["Joanne", "Michael"], content_type="str"),
        tensor("Age", "INT32", [2], [34, 22]),
    ]

    async with workshop.serving(model) as (frames, _):
        numbers, more, plain, decoded, dates, table, failed = await asked(
            frames,
            rest(ROW),
            rest(ROW),
            *(rest(tensor("t", "BYTES", [2], texts, content_type=kind)) for kind in ("str", "base64")),
            rest(tensor("t", "BYTES", [1], texts[1:], content_type="datetime")),
            rest(*columns, parameters={"content_type": "pd"}),
            rest(tensor("x", "FP32", [1], [-1])),
        )

    assert {"x": ("FP32", [1, 4], [5, 7, 9, 12])} == outputs(numbers) == outputs(more)
    assert {"t": ("BYTES", [2, 1], texts)} == outputs(plain)
    assert "b'hel'" == outputs(decoded)["t"][2][0]
    assert ["2026-01-02 03:04:05+00:00"] == outputs(dates)["t"][2]
    assert {
        "First Name": ("BYTES", [2, 1], ["Joanne", "Michael"]),
        "Age": ("INT32", [2, 1], [34, 22]),
    } == outputs(table)
    assert ("negative", {"status": "422"}) == (failed.error, failed.meta)


BEYOND = """
from mlserver import MLModel, types

class Beyond(MLModel):
    async def predict(self, payload):
        kind = payload.inputs[0].datatype
        data = [1e39, -1e39] if kind == "FP32" else [300, 1]
        output = types.ResponseOutput(name="y", datatype=kind, shape=[2], data=data)
        return types.InferenceResponse(model_name=self.name, outputs=[output])
"""


async def test_numbers_of_a_class_of_mlserver_that_are_too_large(workshop, tmp_path) -> None:
    settings = '{"name": "beyond", "implementation": "models.Beyond"}'
    model = folder(tmp_path / "beyond", **{"model-settings_dot_json": settings, "models_dot_py": BEYOND})
    async with workshop.serving(model) as (frames, _):
        floats, whole = await asked(frames, *(rest(tensor("x", kind, [1], [1])) for kind in ("FP32", "INT8")))

    assert {"y": ("FP32", [2], [None, None])} == outputs(floats)
    assert (Fault.MODEL, "output 'y' holds values that are not of its type INT8") == (whole.fault, whole.error)


SK = """
import joblib, numpy as np
from sklearn.linear_model import LinearRegression
x = np.arange(40.0).reshape(20, 2)
joblib.dump(LinearRegression().fit(x, x.sum(1)), "model.joblib")
"""
XG = """
import numpy as np, xgboost
x = np.arange(40.0).reshape(20, 2)
xgboost.XGBRegressor(n_estimators=2).fit(x, x.sum(1)).save_model("model.json")
"""
LIGHT = """
import lightgbm, numpy as np
x = np.arange(400.0).reshape(200, 2)
lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, x.sum(1)), 2).save_model("model.bst")
"""
RUNTIMES = {  # MLServer's own: what makes a model of two columns for each, and what it says of three of them
    "mlserver_sklearn.SKLearnModel": ("model.joblib", SK, "X has 3 features"),
    "mlserver_xgboost.XGBoostModel": ("model.json", XG, "expected: 2, got 3"),
    "mlserver_lightgbm.LightGBMModel": ("model.bst", LIGHT, "number of features in data (3) is not the same"),
}
OF_ALL = {f"mlserver-{one}=={PINNED}" for one in ("sklearn", "xgboost", "lightgbm")}.union(  # one environment
    *(NEEDED[f"mlserver_{one}"] for one in ("sklearn", "xgboost", "lightgbm"))
)


@pytest.mark.parametrize("implementation", RUNTIMES)
async def test_what_mlservers_own_runtimes_refuse(workshop, tmp_path, implementation: str) -> None:
    file, program, says = RUNTIMES[implementation]
    settings = {"name": "own", "implementation": implementation, "parameters": {"uri": f"./{file}"}}
    files = {"model-settings_dot_json": json.dumps(settings), "requirements_dot_txt": "\n".join(sorted(OF_ALL))}
    model = folder(tmp_path / "own", **files)
    _, python, _ = await workshop.python(model)
    await run(python, program, model)

    async with workshop.serving(model) as (frames, _):
        good, wide, text = await asked(
            frames,
            rest(tensor("x", "FP64", [1, 2], [1, 2])),
            rest(tensor("x", "FP64", [1, 3], [1, 2, 3])),
            rest(tensor("x", "BYTES", [1, 2], ["a", "b"])),
        )

    assert 1 == len(next(iter(outputs(good).values()))[2])
    assert (Fault.REQUEST, True) == (wide.fault, says in (wide.error or "")), wide
    assert Fault.REQUEST is text.fault, text


# it counts the letters of its only text, as MLServer's example of custom JSON does, and wants the folder as its uri
JSON_MODEL = """
import json
from mlserver import MLModel, types
from mlserver.utils import get_model_uri

class Hello(MLModel):
    async def load(self):
        self.word = open(await get_model_uri(self.settings) + "/word.txt").read()
        return True

    async def predict(self, payload):
        [one] = payload.inputs
        said = json.dumps([self.word, one.shape, one.data.root]).encode()
        outputs = [types.ResponseOutput(name="said", shape=[len(said)], datatype="BYTES", data=[said])]
        return types.InferenceResponse(model_name=self.name, outputs=outputs)
"""


async def test_what_mlserver_leaves_unsaid_and_uncounted(workshop, tmp_path) -> None:
    files = {"model-settings_dot_json": '{"implementation": "hello.Hello"}', "hello_dot_py": JSON_MODEL}
    model = folder(tmp_path / "hello", **files, word_dot_txt="hi")
    async with workshop.serving(model) as (frames, _):
        answers = await asked(
            frames,
            rest(tensor("t", "BYTES", [5], ["hello"])),
            rest(tensor("t", "BYTES", [1], "hello")),
            rest(tensor("t", "BYTES", [2], ["hello", None])),
            rest(tensor("t", "FP32", [-1, 2], [1, 2]), id=None),
        )
    said = [outputs(answer)["said"] for answer in answers]
    assert [("BYTES", [1])] * 4 == [one[:2] for one in said]
    seen = [[[5], ["hello"]], [[1], ["hello"]], [[2], ["hello", None]], [[1, 2], [1.0, 2.0]]]
    assert [["hi", *one] for one in seen] == [json.loads(one[2][0]) for one in said]


DECLARED_JSON = (
    '{"name": "greeter", "implementation": "models.Greeter", "inputs": ['
    '{"name": "n", "datatype": "INT32", "shape": [-1]}, {"name": "s", "datatype": "BYTES", "shape": [-1]}]}'
)
GREETER = """
from typing import List
import numpy as np
from mlserver import MLModel
from mlserver.codecs import decode_args

class Greeter(MLModel):
    @decode_args
    async def predict(self, n: np.ndarray, s: List[str]) -> List[str]:
        return [one * int(n.reshape(-1)[0]) for one in s]
"""


async def test_a_class_of_mlserver_without_an_input_that_it_declares(workshop, tmp_path) -> None:
    model = folder(tmp_path / "greeter", **{"model-settings_dot_json": DECLARED_JSON, "models_dot_py": GREETER})
    number, text = tensor("n", "INT32", [1], [2]), tensor("s", "BYTES", [1], ["ho"])
    async with workshop.serving(model) as (frames, _):
        whole, lacking, wrong = await asked(
            frames, rest(number, text), rest(number), rest(tensor("n", "INT32", [0], []), text)
        )
    assert ["hoho"] == next(iter(outputs(whole).values()))[2]
    assert (Fault.REQUEST, True) == (lacking.fault, "without its input(s) ['s']" in lacking.error)
    assert Fault.MODEL is wrong.fault


MEASURES = """
import mlserver
from mlserver import MLModel, types
from mlserver.codecs import NumpyCodec

class Counts(MLModel):
    async def load(self):
        mlserver.register("my_sizes", "Sizes of what came")
        return True

    async def predict(self, payload):
        value = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        mlserver.log(my_sizes=value.size, my_other=2.5)
        return types.InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("x", value)])
"""


async def test_what_a_model_of_mlserver_measures_by_itself(workshop, tmp_path) -> None:
    settings = json.dumps({"name": "counts", "implementation": "models.Counts"})
    model = folder(tmp_path / "counts", **{"model-settings_dot_json": settings, "models_dot_py": MEASURES})
    measured = Measures()

    async with workshop.serving(model, measured) as (frames, _):
        assert [None] * 2 == [one.error for one in await asked(frames, rest(ROW), rest(ROW))]
        found = {one.name: one for one in await measured.families()}

    assert ("histogram", "Sizes of what came") == (found["my_sizes"].kind, found["my_sizes"].help)
    counts = {(one.suffix, dict(one.labels).get("le")): one.value for one in found["my_sizes"].samples}
    assert (0, 2, 2, 8) == tuple(
        counts[key] for key in (("_bucket", "2.5"), ("_bucket", "5.0"), ("_count", None), ("_sum", None))
    )
    assert {"counts", "simple", "1.0.0"} <= set(dict(found["my_sizes"].samples[0].labels).values())
    assert "my_other" in found


HANDLERS = Path(__file__).parents[1] / "contracts" / "models" / "handlers"


async def handled(frames: Frames, method: str, path: str, body: bytes = b"", query: str = "") -> tuple[Any, ...]:
    """Status, headers, the body's pieces; or the error."""
    head = {"method": method, "path": path, "query": query, "headers": [["x-mine", "yes"]]}
    text = json.dumps(head).encode()
    question = Question({"": text + body}, Form.HTTP, meta={"head": str(len(text))}, stream=True)
    *pieces, end = await asked(frames, question)
    assert (None, {}) == (end.error, dict(end.outputs))
    first, *others = [piece.outputs[""].body for piece in pieces]
    length = int(pieces[0].meta["head"])
    told = json.loads(first[:length])
    return told["status"], dict(told["headers"]), [first[length:], *others]


async def test_handlers_of_mlserver_unmodified(workshop) -> None:
    infer = json.dumps({"inputs": [tensor("x", "FP32", [1, 2], [1, 2])]}).encode()

    async with workshop.serving(HANDLERS) as (frames, info):
        plain, [again] = await handled(frames, "POST", "/my-custom-endpoint", infer), await asked(frames, rest(ROW))
        raw, item = await handled(frames, "POST", "/invocations", b"shout"), await handled(frames, "GET", "/items/7")
        wished = await handled(frames, "GET", "/items/7", query="wish=a%20b")
        numbers, failed = await handled(frames, "GET", "/numbers/3"), await handled(frames, "GET", "/fails")
        refused, unread = await handled(frames, "POST", "/refuses"), await handled(frames, "GET", "/items/no")

    assert ("GET", "/ping") in info.tensors.routes
    assert [2.0, 4.0] == json.loads(plain[2][0])["outputs"][0]["data"]
    assert {"output-0": ("FP32", [1, 4], [2, 4, 6, 9])} == outputs(again)
    assert (201, "yes", "text/plain; charset=utf-8", [b"SHOUT"]) == (
        raw[0], raw[1]["x-given"], raw[1]["content-type"], raw[2],
    )  # fmt: skip
    assert [{"item": 7, "wish": "none"}, {"item": 7, "wish": "a b"}] == [
        json.loads(one[2][0]) for one in (item, wished)
    ]
    assert [b"0\n", b"1\n", b"2\n"] == numbers[2][:3]
    assert (500, {"error": "no luck"}) == (failed[0], json.loads(failed[2][0]))
    assert (418, {"error": "not today"}) == (refused[0], json.loads(refused[2][0]))
    assert (422, ["path", "item"]) == (unread[0], json.loads(unread[2][0])["detail"][0]["loc"])


CONFIG = """
name: "simple"
backend: "python"
max_batch_size: 8
input [ { name: "A" data_type: TYPE_INT32 dims: [ 2 ] }, { name: "B" data_type: TYPE_INT32 dims: [ 2 ] } ]
output [ { name: "SUM" data_type: TYPE_INT32 dims: [ 2 ] label_filename: "labels.txt" } ]
parameters { key: "plus" value: { string_value: "100" } }
"""
TRITON = """
import json
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.plus = int(config["parameters"]["plus"]["string_value"])
        self.type = pb_utils.triton_string_to_numpy(pb_utils.get_output_config_by_name(config, "SUM")["data_type"])

    def execute(self, requests):
        responses = []
        for request in requests:
            a, b = (pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in "AB")
            if (a < 0).any():
                responses.append(pb_utils.InferenceResponse(error=pb_utils.TritonError("boom from model")))
                continue
            total = pb_utils.Tensor("SUM", (a + b + self.plus).astype(self.type))
            responses.append(pb_utils.InferenceResponse([total]))
        return responses
"""


async def test_a_python_model_of_a_triton_repository(workshop, tmp_path) -> None:
    files = {"config_dot_pbtxt": CONFIG, "1__model_dot_py": TRITON, "labels_dot_txt": "cat\ndog\n"}
    one, bad = tensor("A", "INT32", [1, 2], [1, 2]), tensor("A", "INT32", [1, 2], [-1, 2])
    other = tensor("B", "INT32", [1, 2], [3, 5])
    classes = [{"name": "SUM", "parameters": {"classification": 1}}]

    async with workshop.serving(folder(tmp_path / "simple", **files)) as (frames, info):
        fine, boom, best, missing = await asked(
            frames, rest(one, other), rest(bad, other), rest(one, other, outputs=classes), rest(one)
        )

    assert info.tensors is not None
    assert ("python", 8, (-1, 2)) == (info.tensors.platform, info.tensors.max_batch_size, info.tensors.inputs[0].shape)
    assert CONFIG.strip() == info.tensors.config.strip()
    assert {"SUM": ("INT32", [1, 2], [104, 107])} == outputs(fine)
    assert ("boom from model", Fault.MODEL) == (boom.error, boom.fault)
    assert {"SUM": ("BYTES", [1, 1], ["107:1:dog"])} == outputs(best)
    assert "missing required input(s) ['B']" in str(missing.error)


LIGHTGBM = """
import lightgbm, numpy
x = numpy.arange(400.0).reshape(100, 4)
lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, x.sum(1)), 3).save_model("model.txt")
"""
XGBOOST = """
import xgboost, numpy
x = numpy.arange(400.0).reshape(100, 4)
xgboost.train({}, xgboost.DMatrix(x, x.sum(1)), 3).save_model("model.json")
"""
TORCH = """
import torch
torch.export.save(torch.export.export(torch.nn.Linear(4, 1), (torch.ones(1, 4),)), "model.pt2")
"""
MLFLOW = """
import mlflow.sklearn, numpy
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression
x = numpy.arange(40.0).reshape(10, 4)
model = LinearRegression().fit(x, x.sum(1))
mlflow.sklearn.save_model(model, "made", signature=infer_signature(x, x[:, 0]), serialization_format="cloudpickle")
import os, shutil
os.remove("MLmodel"); shutil.copytree("made", ".", dirs_exist_ok=True); os.remove("requirements.txt")
"""
LARGER = {  # the file, what makes it, and what it is recognised by before
    "lightgbm": ("model.txt", LIGHTGBM, "tree"),
    "xgboost": ("model.json", XGBOOST, '{"learner": {}}'),
    "mlflow": ("MLmodel", MLFLOW, "flavors:\n  sklearn:\n"),
    "torch_export": ("model.pt2", TORCH, ""),
}


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.large if one == "torch_export" else ()) for one in LARGER]
)
async def test_formats_with_large_libraries(workshop, tmp_path, name: str) -> None:
    file, program, begin = LARGER[name]
    model = folder(tmp_path / name, **{file.replace(".", "_dot_"): begin})
    _, python, _ = await workshop.python(model)
    await run(python, program, model)

    async with workshop.serving(model) as (frames, info):
        [answer] = await asked(frames, rest(ROW | {"name": info.inputs[0]}))

    [(_, shape, data)] = outputs(answer).values()
    assert (1, 1) == (shape[0], len(data))


LIBRARIES = Path(__file__).parent / "libraries"


@pytest.mark.parametrize("name", ["sklearn", "xgboost", "lightgbm", "mlflow"])
async def test_what_the_library_itself_says(workshop, tmp_path, name: str) -> None:
    """In the environment of scikit-learn, which those of the others, made for tests above, are put behind."""
    _, python, _ = await workshop.python(folder(tmp_path / "sklearn", model_dot_skops=b""))
    file, _, begin = LARGER.get(name, ("model.skops", "", ""))
    _, other, _ = await workshop.python(folder(tmp_path / "other", **{file.replace(".", "_dot_"): begin}))
    await itself(python, name, tmp_path, *Path(other).parents[1].glob("lib/python*/site-packages"))


@pytest.mark.large
async def test_what_pytorch_itself_says(workshop, tmp_path) -> None:
    _, python, _ = await workshop.python(folder(tmp_path, model_dot_pt2=""))
    await itself(python, "torch", tmp_path)


async def itself(python: str, name: str, where: Path, *beside: Path) -> None:
    """A program in the model's environment, with our adapter beside the library."""
    source = ":".join(map(str, (Path(headrace.__file__).parents[1], *beside)))
    program = [python, str(LIBRARIES / f"of_{name}.py"), str(where)]
    done = await asyncio.to_thread(
        subprocess.run, program, env={"PYTHONPATH": source}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
