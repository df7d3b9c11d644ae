"""What a load request brings, as a folder: every file where it was named, and a clear word for what is none."""

import base64
import io
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.api.oip.brought import MOST_FILES, Brought, brought
from headrace.domain.errors import Invalid
from headrace.runners.harness.adapters.pbtxt import Reader

CONFIG = {
    "name": "adds",
    "backend": "python",
    "maxBatchSize": 4,
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": ["-1", 3]}],
    "parameters": {"a": {"string_value": 'b "quoted"'}},
    "response_cache": {"enable": True},
}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def unpacked(found: Brought, base: Path | None = None) -> dict[str, bytes]:
    buffer = io.BytesIO()
    found.pack(buffer, base)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as files:
        return {one.name: files.extractfile(one).read() for one in files if one.isfile()}


def test_nothing_is_nothing() -> None:
    assert brought({}) is None


@pytest.mark.parametrize("by_grpc", [True, False])
def test_files_and_a_config(by_grpc: bool) -> None:
    contents = {"1/model.py": b"pass", "12/model.py": b"\0\1", "requirements.txt": b"", "test_input/x": b"[[1]]"}
    files = {f"file:{path}": one if by_grpc else encoded(one) for path, one in contents.items()}
    found = brought({**files, "config": json.dumps(CONFIG)})
    folder = unpacked(found)
    config = Reader(folder.pop("config.pbtxt").decode()).message()

    assert {"x": b"[[1]]"} == found.tests
    assert {path: one for path, one in contents.items() if path != "test_input/x"} == folder
    assert 12 == found.number
    assert ("adds", "python", 4) == (config["name"], config["backend"], config["max_batch_size"])
    assert {"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 3]} == config["input"]
    assert {"key": "a", "value": {"string_value": 'b "quoted"'}} == config["parameters"]
    assert {"enable": True} == config["response_cache"]


def test_a_folder_of_any_other_format_needs_no_config() -> None:
    found = brought({"file:model.onnx": encoded(b"onnx")})

    assert {"model.onnx": b"onnx"} == unpacked(found)
    assert 1 == found.number


def test_a_config_alone_is_for_the_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.py").write_bytes(b"pass")
    (tmp_path / "config.pbtxt").write_bytes(b'name: "old"')
    found = brought({"config": json.dumps(CONFIG)})
    folder = unpacked(found, tmp_path)

    assert found.files["config.pbtxt"] == found.config_alone == folder.pop("config.pbtxt")
    assert {"1/model.py": b"pass"} == folder
    assert brought({"file:1/model.py": encoded(b""), "config": "{}"}).config_alone is None


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"cofnig": "{}"}, "does not know the parameter 'cofnig'"),
        ({"file:1/a": "%%"}, "is not base64"),
        ({"file:1/a": 5}, "in base64"),
        ({"file:1/a": None}, "in base64"),
        ({"file:": "aa=="}, "does not name a file"),
        ({"file:/etc/passwd": "YQ=="}, "does not name a file"),
        ({"file:../a": "YQ=="}, "does not name a file"),
        ({"file:a/../../b": "YQ=="}, "does not name a file"),
        ({"file:a//b": "YQ=="}, "does not name a file"),
        ({"file:a/": "YQ=="}, "does not name a file"),
        ({"file:\ud800": "YQ=="}, "does not name a file"),
        ({"file:a\0b": "YQ=="}, "does not name a file"),
        ({"file:" + "a" * 2_000: "YQ=="}, "does not name a file"),
        ({"file:1/a": "YQ==", "config": "no json"}, "not the JSON of a ModelConfig"),
        ({"file:1/a": "YQ==", "config": '{"inptu": []}'}, 'has no field named "inptu"'),
        ({"file:1/a": "YQ==", "config": '{"input": [{"data_type": "FP32"}]}'}, "FP32"),
        ({"file:1/a": "YQ==", "config": 5}, "as a text"),
        ({"file:1/a": "YQ==", "file:config.pbtxt": "YQ==", "config": "{}"}, "not both"),
        ({f"file:{number}": "" for number in range(MOST_FILES + 1)}, "at most"),
    ],
)
def test_what_is_none_of_it(parameters: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        brought(parameters)


@given(
    st.dictionaries(
        st.text(max_size=30), st.one_of(st.text(max_size=40), st.binary(max_size=40), st.none()), max_size=4
    )
)
def test_whatever_is_sent_is_files_or_a_sentence(parameters: dict[str, object]) -> None:
    try:
        found = brought({f"file:{key}" if len(key) % 2 else key: value for key, value in parameters.items()})
    except Invalid:
        return
    for path in unpacked(found) if found else ():
        assert not path.startswith("/")
        assert ".." not in path.split("/")
