"""Which format a folder is of, by its files alone."""

from pathlib import Path

import msgspec
import pytest

from headrace.domain.errors import Invalid
from headrace.images.claims import read_claims, read_nature
from headrace.images.formats.recognise import FORMATS, recognise

FOLDERS = {
    "onnx:model.onnx": {"model.onnx": ""},
    "onnx:net.onnx": {"net.onnx": "", "notes.txt": ""},
    "sklearn:model.skops": {"model.skops": "", "model.joblib": ""},
    "sklearn:iris.pkl": {"iris.pkl": ""},
    "xgboost:model.json": {"model.json": '{"learner": {}}'},
    "xgboost:model.ubj": {"model.ubj": ""},
    "xgboost:model.bst": {"model.bst": "binf"},
    "lightgbm:model.txt": {"model.txt": "tree\nversion=v4"},
    "lightgbm:lgb.txt": {"lgb.txt": "tree\nversion=v4", "requirements.txt": "lightgbm"},
    "lightgbm:model.bst": {"model.bst": "tree\n"},
    "torch_export:model.pt2": {"model.pt2": ""},
    "mlflow:.": {"MLmodel": "flavors:\n  sklearn:\n", "model.pkl": ""},
    "mlserver:.": {"model-settings.json": '{"implementation": "models.Mine"}', "model.py": "class Model: 1"},
    "triton:10/model.onnx": {"config.pbtxt": "", "2/model.onnx": "", "10/model.onnx": "", "x/model.py": ""},
    "triton:1/model.py": {"config.pbtxt": "", "1/model.py": ""},
    "triton:config.pbtxt": {"config.pbtxt": 'name: "e"\nplatform: "ensemble"\n'},
    "triton:3/model.py": {"2/model.py": "", "3/model.py": "class TritonPythonModel:\n", "README.md": ""},
    "triton:2/model.onnx": {"1/model.py": "class TritonPythonModel:\n", "2/model.onnx": ""},
    "triton:2/model.py": {
        "config.pbtxt": "version_policy: { specific: { versions: [1,2] } }",
        **{f"{number}/model.py": "" for number in (1, 2, 3)},
    },
    "triton:1/other.py": {"config.pbtxt": 'default_model_filename: "other.py"', "1/other.py": "", "1/model.py": ""},
}


def folder(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(exist_ok=True, parents=True)
        (path / name).write_text(text)
    return path


@pytest.mark.parametrize(("entry", "files"), FOLDERS.items())
def test_a_format_is_recognised(tmp_path: Path, entry: str, files: dict[str, str]) -> None:
    made = folder(tmp_path, files)

    _, said, _ = read_claims(made)
    nature = read_nature(made, said)

    assert entry == said
    assert said.partition(":")[0] in FORMATS
    assert all("==" in one or "<" in one for one in nature.requirements)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a.onnx": "", "b.onnx": ""},
        {"model.json": "{}"},
        {"model.txt": "words"},
        {"config.pbtxt": "", "one/model.py": ""},
        {"1/model.py": "class Model: 1"},
        {"1/model.pt": ""},
        {"config.pbtxt": '# platform: "ensemble"'},
        {"model.bst": "?"},
    ],
)
def test_what_is_of_no_format(tmp_path: Path, files: dict[str, str]) -> None:
    assert None is recognise(folder(tmp_path, files))
    with pytest.raises(Invalid, match="no model of a known format"):
        read_claims(tmp_path)


def test_an_environment_that_is_packed_for_triton_is_not_left_out_without_a_word(tmp_path: Path) -> None:
    config = 'parameters: { key: "EXECUTION_ENV_PATH", value: {string_value: "$$TRITON_MODEL_DIRECTORY/env.tar.gz"} }'
    folder(tmp_path, {"config.pbtxt": config, "1/model.py": ""})
    with pytest.raises(Invalid, match=r"EXECUTION_ENV_PATH.* into a requirements.txt"):
        read_claims(tmp_path)

    folder(tmp_path, {"requirements.txt": "numpy"})
    assert "triton:1/model.py" == read_claims(tmp_path)[1]


def test_a_version_that_the_policy_of_triton_names_and_nobody_wrote(tmp_path: Path) -> None:
    files = {"config.pbtxt": "version_policy { specific { versions: 7 versions: 8 } }", "1/model.py": ""}
    with pytest.raises(Invalid, match=r"version_policy of config.pbtxt names the version\(s\) 7, 8, and no folder"):
        read_claims(folder(tmp_path, files))


def test_a_class_of_ours_comes_before_files_beside_it(tmp_path: Path) -> None:
    folder(tmp_path, {"model.py": "class Model: 1", "weights.onnx": ""})

    assert "model.py:Model" == read_claims(tmp_path)[1]
    assert () == read_nature(tmp_path, "model.py:Model").requirements


def test_model_yaml_may_name_the_file(tmp_path: Path) -> None:
    folder(tmp_path, {"model.yaml": "entry: onnx:b.onnx\nmaxBatchSize: 8", "a.onnx": "", "b.onnx": ""})

    assert "onnx:b.onnx" == read_claims(tmp_path)[1]
    assert {"max_batch_size": 8} == msgspec.json.decode(read_nature(tmp_path, "onnx:b.onnx").tensors)

    folder(tmp_path, {"model.yaml": "entry: onnx:../b.onnx"})
    with pytest.raises(Invalid, match="no such file"):
        read_claims(tmp_path)


def test_runtimes_of_mlserver_bring_their_packages(tmp_path: Path) -> None:
    folder(tmp_path, {"model-settings.json": '{"implementation": "mlserver_sklearn.SKLearnModel"}'})

    nature = read_nature(tmp_path, "mlserver:.")

    assert {"mlserver-sklearn==1.7.1", "uvloop<0.22"} <= set(nature.requirements)
    assert {"mlserver", "mlserver-sklearn"} <= set(nature.beside)


TENSORS = """
inputs:
  x: {datatype: FP32, shape: [-1, 4]}
  note.txt: {acceptedMediaTypes: text/plain}
outputs:
  y: {datatype: INT64, shape: [-1]}
maxBatchSize: 16
"""


def test_tensors_in_model_yaml(tmp_path: Path) -> None:
    folder(tmp_path, {"model.yaml": TENSORS, "model.py": "class Model: 1"})

    nature = read_nature(tmp_path, "model.py:Model")

    assert {
        "inputs": {"x": {"datatype": "FP32", "shape": [-1, 4], "optional": False}},
        "outputs": {"y": {"datatype": "INT64", "shape": [-1], "optional": False}},
        "max_batch_size": 16,
    } == msgspec.json.decode(nature.tensors)
    assert ["numpy", "orjson"] == [one.partition("==")[0] for one in nature.requirements]
    assert ("x", "note.txt") == tuple(one[0] for one in read_claims(tmp_path)[0].inputs)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("inputs: {x: {datatype: FLOAT}}", "inputs.x.datatype is 'FLOAT'"),
        ("inputs: {x: {shape: [1]}}", "inputs.x.datatype is None"),
        ("inputs: {x: {datatype: FP32, shape: 4}}", "inputs.x.shape is 4"),
        ("outputs: {x: {datatype: FP32, shape: [-2]}}", "outputs.x.shape"),
        ("maxBatchSize: many", "maxBatchSize is 'many'"),
    ],
)
def test_tensors_that_are_none(tmp_path: Path, text: str, sentence: str) -> None:
    folder(tmp_path, {"model.yaml": text, "model.py": "class Model: 1"})

    with pytest.raises(Invalid, match=sentence):
        read_nature(tmp_path, "model.py:Model")
