"""Ensembles: what is wrong with a graph, which steps run, and what each of them is asked."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from headrace.runners.harness.adapters import ensemble
from headrace.runners.harness.adapters.adapter import Asked
from headrace.runners.harness.adapters.ensemble_graph import Wrong
from headrace.runners.harness.adapters.triton_calls import Outside
from headrace.runners.harness.adapters.triton_config import Config
from headrace.runners.harness.adapters.triton_requests import TritonModelException
from headrace.runners.harness.tensors import Input

TENSORS = """
platform: "ensemble"
max_batch_size: 4
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 2 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 2 ] }, { name: "SIDE" data_type: TYPE_INT32 dims: [ 2 ] } ]
"""


def step(model: str, reads: dict[str, str], gives: dict[str, str], version: str = "") -> str:
    maps = [f'input_map {{ key: "{key}" value: "{value}" }}' for key, value in reads.items()]
    maps += [f'output_map {{ key: "{key}" value: "{value}" }}' for key, value in gives.items()]
    return f'{{ model_name: "{model}" {version} {" ".join(maps)} }}'


PLUS = step("plus", {"x": "IN"}, {"y": "more"})
TWICE = step("twice", {"x": "more"}, {"y": "OUT"}, "model_version: 3")
ASIDE = step("minus", {"x": "IN"}, {"y": "SIDE"}, "model_version: -1")
GRAPH = (TWICE, PLUS, ASIDE)  # in whatever order


class Server:
    """Stands for the way to other models."""

    def __init__(self, **about) -> None:
        self.about, self.asked = about, []
        self.together = threading.Barrier(2, timeout=30)
        self.meet = False

    def ask(self, header, body):
        model = header["model"]
        if header.get("about"):
            said = self.about.get(model, None if model != "nobody" else "")
            yield (
                {"absent": said == "", "error": None, "json": -1, "more": False},
                memoryview(json.dumps(said).encode()),
            )
            return
        said = json.loads(body[: header["json"]])
        self.asked.append((model, header, said))
        if self.meet and model != "twice":
            self.together.wait()
        if model == "minus" and said["parameters"].get("fail"):
            yield {"absent": False, "error": "no luck", "status": 400, "json": -1, "more": False}, memoryview(b"")
            return
        x = np.frombuffer(body[header["json"] :], np.int32)
        y = {"plus": x + 1, "twice": x * 2, "minus": -x}[model].tobytes()
        [given] = said["inputs"]
        one = {"name": "y", "datatype": "INT32", "shape": given["shape"], "parameters": {"binary_data_size": len(y)}}
        head = json.dumps({"outputs": [one]}).encode()
        yield {"absent": False, "error": None, "json": len(head), "more": False}, memoryview(head + y)


def made(folder: Path, *steps: str, server: Server | None = None, tensors: str = TENSORS) -> ensemble.Ensemble:
    (folder / "config.pbtxt").write_text(f"{tensors} ensemble_scheduling {{ step [ {', '.join(steps)} ] }}")
    return ensemble.Ensemble(Config(folder), Outside(server or Server()))  # type: ignore[arg-type] # what is used of it


def asked(outputs=None, **parameters) -> Asked:
    return Asked(outputs, parameters, [Input("IN", "INT32", (1, 2), None, None)], "7", "all")


IN = {"IN": np.array([[1, 2]], np.int32)}


def test_tensors_flow_from_step_to_step(tmp_path) -> None:
    model = made(tmp_path, *GRAPH, server=(server := Server()))

    given = model.run(IN, asked())

    assert {"OUT": [[4, 6]], "SIDE": [[-1, -2]]} == {name: array.tolist() for name, array in given.items()}
    assert ("ensemble", 4, (-1, 2)) == (model.platform, model.max_batch_size, model.inputs[0].shape)
    assert {"plus": "", "minus": "", "twice": "3"} == {name: header["version"] for name, header, _ in server.asked}


def test_steps_whose_inputs_are_there_run_at_once(tmp_path) -> None:
    server = Server()
    server.meet = True
    made(tmp_path, *GRAPH, server=server).run(IN, asked())


def test_only_what_is_wanted_is_asked(tmp_path) -> None:
    given = made(tmp_path, *GRAPH, server=(server := Server())).run(IN, asked(("OUT",)))
    assert (["OUT"], ["plus", "twice"]) == (list(given), [name for name, *_ in server.asked])


def test_every_step_hears_what_the_request_says(tmp_path) -> None:
    model = made(tmp_path, *GRAPH, server=(server := Server()))
    model.run(IN, asked(sequence_id=5, sequence_start=True, timeout=9, mine="yes"))
    for _, header, said in server.asked:
        assert (5, True, False, 9) == tuple(header[name] for name in ("sequence", "start", "end", "timeout"))
        assert ("7", "yes") == (said["id"], said["parameters"]["mine"])


def test_a_step_that_fails_fails_the_request(tmp_path) -> None:
    with pytest.raises(TritonModelException, match="in ensemble 'all', no luck") as caught:
        made(tmp_path, *GRAPH).run(IN, asked(fail=True))
    assert 400 == caught.value.status_code


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ((), "has no steps"),
        ((step("", {"x": "IN"}, {"y": "OUT"}),), r"step 1 .* should have a model_name"),
        ((PLUS, ASIDE), "no step gives the output 'OUT'"),
        ((*GRAPH, step("four", {"x": "other"}, {"y": "OUT2"})), "step 4 .* reads the tensor 'other'"),
        ((*GRAPH, step("four", {"x": "IN"}, {"y": "more"})), r"gives the tensor 'more', .* by step 2 \(model 'plus'\)"),
        ((*GRAPH, step("four", {"x": "IN"}, {"y": "IN"})), "given by an input of the ensemble"),
        ((*GRAPH, step("four", {"x": "IN"}, {"y": "waste"})), "nothing that step 4 .* gives is used"),
        (
            (step("a", {"x": "b", "z": "IN"}, {"y": "OUT"}), step("c", {"x": "OUT"}, {"y": "b", "z": "SIDE"})),
            "in a circle",
        ),
        ((step("a", {}, {"y": "OUT", "z": "SIDE"}),), "no step reads the input 'IN'"),
        ((step("nobody", {"x": "IN"}, {"y": "OUT", "z": "SIDE"}),), "needs the model 'nobody', which is not there"),
    ],
)
def test_what_is_wrong_with_a_graph_is_said_when_it_is_loaded(tmp_path, steps, sentence) -> None:
    with pytest.raises(Wrong, match=sentence):
        made(tmp_path, *steps)


def about(datatype="INT32", name="x", batch=8, streams=""):
    return {
        "inputs": [{"name": name, "datatype": datatype, "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "INT32", "shape": [-1, 2]}],
        "max_batch_size": batch,
        "streams": streams,
    }


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (about("FP32"), "the tensor 'more' is INT32 for step 2 .* and FP32 for step 1"),
        (about(name="z"), "has no 'x' among its inputs: z"),
        (about(batch=2), "takes batches of 2 at most, and the ensemble 4"),
        (about(streams="only"), "gives any number of responses"),
    ],
)
def test_models_that_do_not_fit_are_named(tmp_path, said, sentence) -> None:
    made(tmp_path, *GRAPH, server=Server(plus=about(), twice=about(), minus=about()))
    with pytest.raises(Wrong, match=sentence):
        made(tmp_path, *GRAPH, server=Server(plus=about(), twice=said))
