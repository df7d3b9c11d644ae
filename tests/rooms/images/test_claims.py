"""model.yaml: what is understood, and what is said of a mistake."""

from pathlib import Path

import pytest

from headrace.domain.errors import Invalid
from headrace.domain.image import Claims
from headrace.images.claims import read_claims

OURS = """
name: digits
summary: Tells digits
description: More words
entry: inside/code.py:Digits
inputs:
  image: {acceptedMediaTypes: [image/png, image/jpeg], maxSize: 1M, description: a picture}
  note.txt:
outputs:
  results.json: {mediaType: application/json, maxSize: 1Ki}
timeout: {status: 90, run: 500ms}
resources: {memory: 1.5gi, cpu: 0.5}
environment: {THRESHOLD: 0.5, MODE: "fast"}
tags: [images, {name: digits}]
"""

THEIRS = """
specification: "0.4"
type: grpc
source: custom
version: 0.0.1
name: theirs
author: somebody
description:
  summary: short
  details: long
  technical: how
  performance: well
releaseNotes: first
tags: []
filters: [{type: task, label: classify}]
metrics: [{label: accuracy, type: percentage, value: 0.9}]
inputs:
  input.txt: {acceptedMediaTypes: [text/plain], maxSize: 5M, description: text}
outputs:
  results.json: {mediaType: application/json, maxSize: 64k, description: result}
resources: {memory: {size: 512M}, cpu: {count: 1}, gpu: {count: 0}}
timeout: {status: 20s, run: 2m}
internal: {recommended: false}
features: {adversarialDefense: false, maxBatchSize: 64}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "model.py").write_text("class Model:\n    pass\n")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "code.py").write_text("class Digits: ...\n")
    return tmp_path


def test_our_own_keys(folder) -> None:
    (folder / "model.yaml").write_text(OURS)

    claims, entry, variables = read_claims(folder)

    assert "inside/code.py:Digits" == entry
    assert (("THRESHOLD", "0.5"), ("MODE", "fast")) == variables
    assert (
        Claims(
            name="digits",
            summary="Tells digits",
            description="More words",
            inputs=(("image", "image/png,image/jpeg", 1_000_000, "a picture"), ("note.txt", "", 0, "")),
            outputs=(("results.json", "application/json", 1024, ""),),
            status_timeout=90_000,
            run_timeout=500,
            memory="1.5Gi",
            cpu="500m",
            tags=("images", "digits"),
        )
        == claims
    )


def test_the_keys_of_the_platforms_templates(folder) -> None:
    (folder / "model.yaml").write_text(THEIRS)

    claims, entry, variables = read_claims(folder)

    assert ("model.py:Model", ()) == (entry, variables)
    assert ("short", "long", 20_000, 120_000) == (
        claims.summary,
        claims.description,
        claims.status_timeout,
        claims.run_timeout,
    )
    assert ("512M", "1000m", {"task": "classify"}) == (claims.memory, claims.cpu, claims.labels)
    assert (("input.txt", "text/plain", 5_000_000, "text"),) == claims.inputs


def test_without_model_yaml_there_is_model_py(folder) -> None:
    assert (Claims(), "model.py:Model", ()) == read_claims(folder)


@pytest.mark.parametrize("text", ["", "# nothing\n", "name:\n", "inputs: {}\n"])
def test_a_file_that_says_nothing(folder, text: str) -> None:
    (folder / "model.yaml").write_text(text)

    assert (Claims(), "model.py:Model", ()) == read_claims(folder)


MISTAKES = [
    ("nmae: x", "there is no key 'nmae'; did you mean 'name'?"),
    ("zzz: x", "there is no key 'zzz'; known are name, summary"),
    ("- a\n- b", "should be a mapping of keys to values"),
    ("just words", "should be a mapping"),
    ("1: 2", "should be a mapping"),
    ("name: {a: b}", "name is {'a': 'b'}; write a text"),
    ("name: 'x' y", "cannot be read: "),
    ("a: [1, 2", "cannot be read: "),
    ("name: a\nname: b", "the key 'name' is there twice (line 2, column 1)"),
    ("name: &x a\nsummary: *x", "aliases (*name) are not taken (line 2"),
    ("name: !!python/object/apply:os.system [id]", "cannot be read: "),
    ("name: !!python/name:os.system", "cannot be read: "),
    ("tags: " + "[" * 100 + "]" * 100, "nested deeper than 32 levels"),
    ("tags: " + "[" * 100_000, "nested deeper than 32 levels"),
    ("summary: " + "x" * 300_000, "larger than 262144 bytes"),
    ("name: \xff\xfe", "cannot be read: "),
    ("entry: 5", "entry is 5; write file and class, such as model.py:Model"),
    ("entry: model:Model", "entry is 'model:Model'; write file and class"),
    ("entry: ../x.py:Model", "entry names '../x.py', and there is no such file"),
    ("entry: /etc/x.py:Model", "there is no such file in the folder"),
    ("entry: other.py:Model", "entry names 'other.py', and there is no such file"),
    ("entry: model.py:Other", "model.py has no class Other"),
    ("timeout: 20s", "timeout is '20s'; write a mapping"),
    ("timeout: {run: soon}", "timeout.run is 'soon'; write it like 20s, 500ms or 2m"),
    ("timeout: {run: 0}", "timeout.run is 0"),
    ("timeout: {run: -1s}", "timeout.run is '-1s'"),
    ("timeout: {run: true}", "timeout.run is True"),
    ("resources: {memory: lots}", "resources.memory is 'lots'; write it like 512M, 1G or 2Gi"),
    ("resources: {memory: {size: lots}}", "resources.memory.size is 'lots'"),
    ("resources: {cpu: many}", "resources.cpu is 'many'; write it like 1000m"),
    ("resources: 5", "resources is 5; write a mapping"),
    ("inputs: [a]", "inputs is ['a']; write a mapping"),
    ("inputs: {a: b}", "inputs.a is 'b'; write a mapping with acceptedMediaTypes, maxSize, description"),
    ("inputs: {a: {maxSize: big}}", "inputs.a.maxSize is 'big'; write it like 512K, 5M or 1Gi"),
    ("inputs: {a: {acceptedMediaTypes: [png]}}", "inputs.a.acceptedMediaTypes has 'png'; write a media type"),
    ("outputs: {a: {description: [b]}}", "outputs.a.description is ['b']; write a text"),
    ("environment: {LD_PRELOAD: /x.so}", "environment.LD_PRELOAD may not be set"),
    ("environment: {ld_preload: /x.so}", "environment.ld_preload may not be set"),
    ("environment: {PYTHONPATH: /x}", "environment.PYTHONPATH may not be set"),
    ("environment: {'A B': x}", "environment.A B is not a name of a variable"),
    ("environment: {A: [x]}", "environment.A is ['x']; write a text"),
    ('environment: {A: "x\\0y"}', "environment.A is 'x\\x00y'; write a text"),
    ("environment: [A=1]", "environment is ['A=1']; write a mapping"),
    ("tags: images", "tags is 'images'; write a list"),
    ("tags: [1]", "tags is [1]; write a list"),
    ("filters: {a: b}", "filters is {'a': 'b'}; write a list of mappings"),
]


@pytest.mark.parametrize(("text", "says"), MISTAKES, ids=[str(index) for index in range(len(MISTAKES))])
def test_a_mistake_is_told_with_its_key(folder, text: str, says: str) -> None:
    (folder / "model.yaml").write_bytes(text.encode("latin-1"))

    with pytest.raises(Invalid) as mistake:
        read_claims(folder)

    assert "model" in mistake.value.message
    assert says in mistake.value.message
    assert len(mistake.value.message) < 500


def test_a_folder_without_a_model(tmp_path) -> None:
    with pytest.raises(Invalid, match=r"there is no model\.py in the folder"):
        read_claims(tmp_path)


def test_a_date_stays_text(folder) -> None:
    (folder / "model.yaml").write_text("name: 2024-01-02\nversion: 2024-01-02")

    assert "2024-01-02" == read_claims(folder)[0].name
