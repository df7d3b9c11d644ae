"""What triton_python_backend_utils has for a model, each name of its documentation used inside a model."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from headrace.runners.harness.adapters import triton
from headrace.runners.harness.adapters.adapter import Asked
from headrace.runners.harness.adapters.triton_requests import TritonModelException
from headrace.runners.harness.failures import fault
from headrace.runners.harness.slots import NONE

HEAD = "import json\nimport numpy as np\nimport triton_python_backend_utils as pb_utils\n"
CONFIG = """
name: "m" backend: "python"
input [ { name: "x" data_type: TYPE_INT32 dims: [ -1 ] } ]
output [ { name: "y" data_type: TYPE_INT32 dims: [ -1 ] } ]
"""
X = np.arange(3, dtype=np.int32)


@pytest.fixture
def made(tmp_path: Path, monkeypatch):
    """A model whose `execute` has this body, or that is this program."""

    def make(program: str, config: str | None = ""):
        for name in ("model", "triton_python_backend_utils"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys, "path", list(sys.path))
        if "class TritonPythonModel" not in program:
            body = "\n".join(f"        {line}" for line in program.strip().splitlines())
            program = (
                f"class TritonPythonModel:\n    def execute(self, requests):\n        [request] = requests\n{body}"
            )
        (tmp_path / "1").mkdir(exist_ok=True)
        (tmp_path / "1" / "model.py").write_text(HEAD + program)
        if config is not None:
            (tmp_path / "config.pbtxt").write_text(CONFIG + config)
        return triton.load(tmp_path, "1/model.py", {}, NONE)

    yield make
    for name in ("model", "triton_python_backend_utils"):
        sys.modules.pop(name, None)


def said(model, **parameters):
    """What it says as JSON."""
    return json.loads(model.run({"x": X}, Asked(None, parameters, [])).outputs["y"][0])


SAYS = """
found = {saying}
return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array([json.dumps(found)], np.object_))])]
"""
NAMES = {
    "pb_utils.Logger.log('seen', pb_utils.Logger.INFO)": None,
    "pb_utils.Logger.log(message='seen', level=pb_utils.Logger.VERBOSE)": None,
    "[str(one) for one in (pb_utils.Logger.WARNING, pb_utils.Logger.ERROR)]": ["LogLevel.WARNING", "LogLevel.ERROR"],
    "[pb_utils.TRITONSERVER_REQUEST_RELEASE_ALL, pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE]": [1, 2],
    "[pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START, pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END]": [1, 2],
    "pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL": 1,
    "request.trace().get_context()": None,
    "isinstance(request.trace(), pb_utils.InferenceTrace)": True,
    "isinstance(request.get_response_sender(), pb_utils.InferenceResponseSender)": True,
    "pb_utils.MemoryType.TRITONSERVER_MEMORY_CPU == pb_utils.TRITONSERVER_MEMORY_CPU": True,
    "pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_GPU, 0) is None": False,
    "pb_utils.TRITON_STRING_TO_NUMPY['TYPE_FP16'] is np.float16": True,
    "[pb_utils.numpy_to_triton_type(one) for one in (np.bool_, np.int32, np.object_, np.bytes_)]": [1, 8, 13, 13],
    "[pb_utils.triton_to_numpy_type(one).__name__ for one in (1, 8, 13)]": ["bool", "int32", "object_"],
    "pb_utils.serialize_byte_tensor(np.array([b'a', 'bc'], np.object_)).hex()": "0100000061020000006263",
    "pb_utils.serialize_byte_tensor(np.array([], np.object_))": [],
    "[one.decode() for one in pb_utils.deserialize_bytes_tensor(bytes.fromhex('0100000061020000006263'))]": ["a", "bc"],
    "request.inputs()[0].is_cpu()": True,
    "request.inputs()[0].__dlpack_device__()": [1, 0],
    "np.from_dlpack(request.inputs()[0]).tolist()": [0, 1, 2],
    "pb_utils.Tensor.from_dlpack('z', request.inputs()[0]).as_numpy().tolist()": [0, 1, 2],
    "pb_utils.Tensor.from_dlpack('z', request.inputs()[0].to_dlpack()).as_numpy().tolist()": [0, 1, 2],
    "pb_utils.InferenceResponse([], parameters={'a': 1}).parameters()": '{"a": 1}',
    "pb_utils.TritonError('gone', pb_utils.TritonError.NOT_FOUND).code()": 2,
    "hasattr(pb_utils, 'ResponseIterator')": True,
}


@pytest.mark.parametrize(("saying", "expected"), NAMES.items())
def test_a_name_of_the_documentation(made, saying: str, expected: object) -> None:
    assert expected == said(made(SAYS.format(saying=saying)))


def test_what_a_model_logs_is_in_its_log(made, capfd) -> None:
    said(made(SAYS.format(saying="pb_utils.Logger.log_warn('seen'), pb_utils.Logger.log_verbose('hidden')")))
    assert "W seen\n" == capfd.readouterr().err


def test_bytes_are_taken_where_a_string_is_meant(made) -> None:
    asked = "pb_utils.InferenceRequest(b'7', b'c', [], [b'y'], b'other', np.int64(2))"
    saying = (
        "one.request_id(), one.correlation_id(), one.requested_output_names(), one.model_name(), one.model_version()"
    )
    assert ["7", "c", ["y"], "other", 2] == said(
        made(SAYS.format(saying=f"[{saying}]").replace("found", f"one = {asked}\nfound", 1))
    )


def test_the_context_of_a_trace_that_the_operator_lets_models_see(made) -> None:
    found = said(made(SAYS.format(saying="request.trace().get_context()")), headers={"traceparent": "00-1-2-01"})
    assert {"traceparent": "00-1-2-01"} == json.loads(found)


@pytest.mark.parametrize("call", ["load_model", "unload_model"])
def test_a_model_that_wants_to_load_others_is_told_who_does(made, call: str) -> None:
    with pytest.raises(TritonModelException, match="publish 'other' with `headrace deploy`"):
        made(f"pb_utils.{call}(model_name='other')").run({"x": X}, Asked(None, {}, []))


def test_the_status_of_an_error_of_triton(made) -> None:
    failing = "return [pb_utils.InferenceResponse(error=pb_utils.TritonError('gone', pb_utils.TritonError.NOT_FOUND))]"
    with pytest.raises(TritonModelException, match="gone") as caught:
        made(failing).run({"x": X}, Asked(None, {}, []))
    assert {"status": "404"} == fault(caught.value)[1]


ITERATIVE = "sequence_batching { iterative_sequence: true }"
AGAIN = """
class TritonPythonModel:
    turns = 0

    def execute(self, requests):
        self.turns += 1
        if self.turns < 3:
            requests[0].set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
            return [None]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array([self.turns], np.int32))])]
"""
COUNT_DOWN = """
class TritonPythonModel:
    left = None

    def execute(self, requests):
        [request] = requests
        if self.left is None:
            self.left = len(request.inputs()[0].as_numpy())
        self.left -= 1
        sender = request.get_response_sender()
        last = self.left == 0
        if not last:
            request.set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)
        response = pb_utils.InferenceResponse([pb_utils.Tensor("y", np.array([self.left], np.int32))])
        sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if last else 0)
"""


class Taken:
    def __init__(self) -> None:
        self.found: list[int] = []

    def give(self, given) -> None:
        self.found.append(int(given.outputs["y"][0]))

    def wanted(self) -> bool:
        return True


def test_a_request_that_the_model_reschedules(made) -> None:
    assert [3] == made(AGAIN, ITERATIVE).run({"x": X}, Asked(None, {}, [])).outputs["y"].tolist()


def test_a_stream_that_the_model_reschedules(made) -> None:
    model = made(COUNT_DOWN, ITERATIVE + " model_transaction_policy { decoupled: true }")
    model.stream({"x": X}, Asked(None, {}, []), taker := Taken())
    assert [2, 1, 0] == taker.found


def test_what_of_iterative_sequences_is_not_known_is_said(made) -> None:
    with pytest.raises(TypeError, match="iterative_sequence together with state"):
        made(AGAIN, "sequence_batching { iterative_sequence: true state [ { input_name: 'x' } ] }")


SELF_EVIDENT = """
class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        known = [one["name"] for key in ("input", "output") for one in config.as_dict()[key]]
        for name, add in (("x", config.add_input), ("y", config.add_output)):
            if name not in known:
                add({"name": name, "data_type": "TYPE_INT32", "dims": [3]})
        config.set_max_batch_size(4)
        config.set_dynamic_batching()
        return config

    def execute(self, requests):
        [x] = requests[0].inputs()
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", x.as_numpy() + 1)])]
"""


def test_a_model_without_a_config(made) -> None:
    model = made(SELF_EVIDENT, None)

    assert [("x", "INT32", (-1, 3)), ("y", "INT32", (-1, 3))] == [one[:3] for one in (*model.inputs, *model.outputs)]
    assert 4 == model.max_batch_size
    assert [[1, 2, 3]] == model.run({"x": X.reshape(1, 3)}, Asked(None, {}, [])).outputs["y"].tolist()


@pytest.mark.parametrize("named", ["backend", "platform"])
def test_a_backend_that_does_not_read_the_file_is_told(tmp_path: Path, named: str) -> None:
    (tmp_path / "config.pbtxt").write_text(CONFIG.replace("backend", named).replace("python", "onnxruntime"))
    with pytest.raises(TypeError, match=r"names the backend onnxruntime, and 1/model\.py is for python"):
        triton.load(tmp_path, "1/model.py", {}, NONE)
