"""deploy: the seventeen steps in order, versions, and failures that say what to do."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from headrace.cli import model_folder
from headrace.cli.deployment_steps import smallest
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.model_folder import ModelFolder, size_of, time_of
from headrace.cli.new_version import choose_version
from headrace.cli.shapes import Hardware, ModelRow


def test_the_seventeen_steps_are_sent_in_the_documented_order(headrace, folder, server):
    ended = headrace("deploy", str(folder))

    assert 0 == ended.code, ended.err
    version = "/api/models/model00001/versions/1.0.0"
    wrote = [(method, path) for method, path, _ in server.requests if method != "GET"]
    assert [
        ("POST", "/api/models"),
        ("PATCH", "/api/models/model00001"),
        ("POST", f"{version}/container-image"),
        ("PATCH", version),  # requirements
        ("PATCH", version),  # timeouts
        ("PATCH", version),  # metrics
        ("POST", f"{version}/load-process"),
        ("PATCH", version),  # inputs
        ("PATCH", version),  # outputs
        ("POST", f"{version}/testInput"),
        ("POST", f"{version}/run-process"),
        ("PATCH", version),  # description
        ("PATCH", version),  # release notes
        ("PATCH", version),  # transparency and bias
        ("PATCH", "/api/models/model00001"),
        ("PATCH", version),
    ] == wrote  # no picture in this folder
    assert 17 == ended.err.count("✓")
    assert "model00001" in ended.out


def test_the_version_gets_what_model_yaml_says(headrace, folder, server):
    headrace("deploy", str(folder), "--minimum", "1", "--maximum", "3", "-q")

    version = server.versions["model00001", "1.0.0"]
    assert {"requirementId": 3} == version["requirement"]  # 2 GB are asked for
    assert {"status": 20_000, "run": 500} == version["timeout"]
    assert {"minimumParallelCapacity": 1, "maximumParallelCapacity": 3} == version["processing"]
    assert ["input.txt", 1_000_000] == [version["inputs"][0]["name"], version["inputs"][0]["maximumSize"]]
    assert 1 << 20 == version["outputs"][0]["maximumSize"]
    assert "First." == version["versionHistory"]
    assert b"hello" == server.files["/api/models/model00001/versions/1.0.0/testInput"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('{"inputs": [{"name": "input.txt", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}', ExitCode.OK),
        ("hello", ExitCode.FAILED),
        ('{"outputs": []}', ExitCode.FAILED),
    ],
)
def test_an_open_inference_request_tests_all_inputs(headrace, folder, server, tmp_path, content, code):
    (folder / "test_input" / "input.txt").unlink()
    request = tmp_path / "request.json"
    request.write_text(content)
    ended = headrace("deploy", str(folder), "--input", f"request.json={request}")

    assert code == ended.code
    if code:
        assert "there is no test file for the input input.txt" in ended.err
    else:
        assert content.encode() == server.files["/api/models/model00001/versions/1.0.0/testInput"]


def mlserver_folder(path, **settings):
    path.mkdir(parents=True)
    (path / "model-settings.json").write_text(json.dumps({"implementation": "runtime.Echo", **settings}))
    return path


TEST_INPUT = "/api/models/model00001/versions/1.0.0/testInput"


def test_declared_tensors_need_no_test_file(headrace, server, tmp_path):
    server.tensors = ["INPUT0", "INPUT1"]
    folder = mlserver_folder(tmp_path / "sums")
    ended = headrace("deploy", str(folder))
    assert (0, True) == (ended.code, "zeros for INPUT0, INPUT1" in ended.err), ended.err
    assert TEST_INPUT not in server.files

    server.run_fault = "it is no picture"
    refused = headrace("deploy", str(folder))
    assert "the model failed on zeros: it is no picture" in refused.err
    assert "test_input/request.json, or give it with --input request.json=FILE" in " ".join(refused.err.split())


@pytest.mark.parametrize(
    ("said", "version"),
    [("v0.1.0", "0.1.0"), ("1.2", "1.2.0"), ("3", "3.0.0"), ("v2.0.0-rc.1", "2.0.0-rc.1"), ("latest", "1.0.0")],
)
def test_mlserver_says_name_and_version(headrace, server, tmp_path, said, version):
    server.tensors = []
    folder = mlserver_folder(tmp_path / "model-1", name="mnist-svm", parameters={"version": said})
    ended = headrace("deploy", str(folder), "--json", "-q")
    assert ("mnist-svm", version) == (ended.json()["name"], ended.json()["version"])
    ended = headrace("deploy", str(folder), "--name", "mine", "--version", "7.0.0", "--json", "-q")
    assert ("mine", "7.0.0") == (ended.json()["name"], ended.json()["version"])


def triton_folder(path, config, number="1"):
    (path / number).mkdir(parents=True)
    (path / "config.pbtxt").write_text(config)
    (path / number / "model.py").write_text("class TritonPythonModel: ...")
    return path


def test_triton_says_name_and_version(headrace, server, tmp_path):
    server.tensors = []
    folder = triton_folder(tmp_path / "here", 'name: "add_sub"\ninput [{ name: "INPUT0" }]', "3")
    ended = headrace("deploy", str(folder), "--json", "-q")
    assert ("add_sub", "3.0.0") == (ended.json()["name"], ended.json()["version"])


def test_each_model_of_a_repository_is_deployed(headrace, server, tmp_path):
    server.tensors = []
    mlserver_folder(tmp_path / "models" / "svm", name="mnist-svm")
    triton_folder(tmp_path / "models" / "sums", "")
    (tmp_path / "models" / "notes").mkdir()
    ended = headrace("deploy", str(tmp_path / "models"))
    assert (0, ["sums", "mnist-svm"]) == (ended.code, [one["name"] for one in server.models.values()])

    refused = headrace("deploy", str(tmp_path / "models"), "--name", "mine")
    assert (2, True) == (refused.code, "there are 2 models: sums, svm" in refused.err)
    server.run_fault = "it does not work"
    failed = headrace("deploy", str(tmp_path / "models"))
    assert (1, 2) == (failed.code, failed.err.count("it does not work"))
    assert "2 of 2 models were not deployed: sums, svm" in failed.err


def test_an_environment_that_is_not_read_is_told(headrace, server, tmp_path):
    server.tensors = []
    folder = mlserver_folder(tmp_path / "svm", parameters={"environment_tarball": "./env.tar.gz"})
    (folder / "environment.yml").write_text("name: old-sklearn")
    told = " ".join(headrace("deploy", str(folder)).err.split())
    assert "model-settings.json: environment_tarball is not read: name the packages" in told
    assert "environment.yml is not read" in told
    execution = 'parameters: { key: "EXECUTION_ENV_PATH" value: { string_value: "env.tar.gz" } }'
    told = headrace("deploy", str(triton_folder(tmp_path / "sums", execution))).err
    assert "config.pbtxt: EXECUTION_ENV_PATH is not read" in " ".join(told.split())


def test_a_model_that_declares_nothing_is_told_to_be_untried(headrace, server, tmp_path):
    server.tensors = []
    ended = headrace("deploy", str(mlserver_folder(tmp_path / "json")))
    assert (0, True) == (ended.code, "it has loaded, and was asked nothing" in " ".join(ended.err.split())), ended.err
    assert "--file request.json=FILE" in ended.err


REQUEST = '{"inputs": [{"name": "INPUT0"}]}'


@pytest.mark.parametrize(
    ("name", "content", "zeros"),
    [
        ("test_input/request.json", REQUEST, False),
        ("inference-request.json", REQUEST, False),
        ("mine.json", REQUEST, False),  # named on the command line: that it is a request tells for which inputs
        ("test_input/INPUT1.json", "[1]", True),
    ],
)
def test_test_files_for_tensors_are_found_in_the_folder(headrace, server, tmp_path, name, content, zeros):
    server.tensors = ["INPUT0", "INPUT1"]
    folder = mlserver_folder(tmp_path / "sums")
    (folder / "test_input").mkdir()
    (folder / name).write_text(content)
    ended = headrace("deploy", str(folder), *(("--input", str(folder / name)) if name == "mine.json" else ()))
    assert (0, zeros) == (ended.code, "zeros for INPUT0" in ended.err), ended.err
    assert content.encode() == server.files[TEST_INPUT]


def test_a_second_deployment_adds_the_next_version(headrace, folder, server):
    headrace("deploy", str(folder), "-q")
    second = headrace("deploy", str(folder), "-q", "--json")

    assert {"modelId": "model00001", "version": "1.0.1"}.items() <= second.json().items()
    assert ["1.0.0", "1.0.1"] == server.models["model00001"]["versions"]


def test_a_version_that_exists_is_refused_before_anything_is_sent(headrace, folder):
    headrace("deploy", str(folder), "-q")
    ended = headrace("deploy", str(folder), "--version", "1.0.0")

    assert 2 == ended.code
    assert "version 1.0.0 exists already" in ended.err


def test_a_folder_on_the_server_is_named_and_not_uploaded(headrace, folder, server):
    headrace("deploy", str(folder), "--on-server", "-q")

    path = "/api/models/model00001/versions/1.0.0/container-image"
    assert ("POST", path, {"folder": str(folder)}) in server.requests
    assert path not in server.files


def test_the_file_of_an_image_is_uploaded_as_it_is(headrace, server, tmp_path):
    image, text = tmp_path / "praise.tar", tmp_path / "input.txt"
    image.write_bytes(b"an image")
    text.write_text("great")
    ended = headrace("deploy", str(image), "--input", f"input.txt={text}", "-q")

    assert 0 == ended.code, ended.err
    assert b"an image" == server.files["/api/models/model00001/versions/1.0.0/container-image"]
    assert ("POST", "/api/models", {"name": "praise", "version": "1.0.0", "unique": True}) in server.requests


def test_an_image_in_a_registry_is_named(headrace, server, tmp_path, monkeypatch):
    reference = "registry.example:5000/team/praise:1.0"
    text = tmp_path / "input.txt"
    text.write_text("great")
    arguments = ("deploy", reference, "--registry", "--input", f"input.txt={text}", "-q")
    assert 0 == headrace(*arguments).code
    path = "/api/models/model00001/versions/1.0.0/container-image"
    assert ("POST", path, {"registry": {"url": reference}}) in server.requests
    assert ("POST", "/api/models", {"name": "praise", "version": "1.0.0", "unique": True}) in server.requests

    refused = headrace(*arguments, "--username", "ann", "--version", "2.0.0")
    assert (2, True) == (refused.code, "HEADRACE_REGISTRY_PASSWORD" in refused.err)
    monkeypatch.setenv("HEADRACE_REGISTRY_PASSWORD", "sesame")
    assert 0 == headrace(*arguments, "--username", "ann", "--version", "2.0.0").code
    sent = {"registry": {"url": reference, "username": "ann", "password": "sesame"}}
    assert any(sent == body for _, _, body in server.requests)


def test_the_step_that_fails_gets_a_cross_and_the_sentence(headrace, folder, server):
    server.image_fault = "model.yaml: inputs should be a mapping"
    ended = headrace("deploy", str(folder))

    assert 1 == ended.code
    assert "✗  3  container image" in ended.err
    assert "inputs should be a mapping" in ended.err


def test_a_failed_run_test_fails_the_deployment(headrace, folder, server):
    server.run_fault = "KeyError: 'image'"
    ended = headrace("deploy", str(folder))

    assert 1 == ended.code
    assert "the model failed on the test file: KeyError: 'image'" in ended.err


def test_a_missing_test_file_is_asked_for(headrace, folder):
    (folder / "test_input" / "input.txt").unlink()
    ended = headrace("deploy", str(folder))

    assert 1 == ended.code
    assert "give --input input.txt=FILE" in ended.err


def test_a_test_file_of_the_command_line_wins(headrace, folder, server, tmp_path):
    (tmp_path / "other.txt").write_text("other")
    headrace("deploy", str(folder), "--input", str(tmp_path / "other.txt"), "-q")

    assert b"other" == server.files["/api/models/model00001/versions/1.0.0/testInput"]


def test_a_folder_without_a_model_is_a_usage_error(headrace, tmp_path):
    ended = headrace("deploy", str(tmp_path))

    assert 2 == ended.code
    assert "neither model.yaml nor model.py" in ended.err


def test_an_archive_has_the_files_and_no_caches_and_is_the_same_twice(folder):
    for cache in ("__pycache__", ".git"):
        (folder / cache).mkdir()
        (folder / cache / "x.pyc").write_bytes(b"x")
    found, first, second = model_folder.read(folder), io.BytesIO(), io.BytesIO()

    assert 3 == model_folder.pack(found, first)
    model_folder.pack(found, second)
    assert first.getvalue() == second.getvalue()
    first.seek(0)
    with tarfile.open(fileobj=first) as archive:
        assert ["model.py", "model.yaml", "test_input/input.txt"] == archive.getnames()


def test_a_link_in_the_folder_is_refused(folder):
    (folder / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(Failure, match="is a link"):
        model_folder.pack(model_folder.read(folder), io.BytesIO())


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("20s", 20_000), ("500ms", 500), ("2m", 120_000), ("1.5", 1500), (3, 3000)]
)
def test_times(text, milliseconds):
    assert milliseconds == time_of(text, "x")


@pytest.mark.parametrize(
    ("text", "count"), [("512M", 512_000_000), ("1Gi", 1 << 30), (7, 7), ("1.5K", 1500), (None, 0)]
)
def test_sizes(text, count):
    assert count == size_of(text, "x")


def test_a_wrong_size_says_its_key():
    with pytest.raises(Failure, match=r"inputs\.image\.maxSize is 'lots'"):
        size_of("lots", "inputs.image.maxSize")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("resources: 5", "resources should hold keys and values"),
        ("resources: {cpu: many}", "resources.cpu is 'many'"),
        ("resources: {cpu: {count: many}}", "resources.cpu is 'many'"),
        ("resources: {memory: lots}", "resources.memory is 'lots'"),
        ("tags: Image", "tags should hold a list"),
        ("inputs: [a]", "inputs should hold keys and values"),
        ("timeout: {run: soon}", "timeout.run is 'soon'"),
        ("{", "is not YAML"),
        ("- a", "should hold keys and values"),
    ],
)
def test_mistakes_in_model_yaml_are_told_by_their_key(headrace, server, folder, line, sentence):
    server.tensors = []  # no test file is asked for
    (folder / "model.yaml").write_text(line)
    ended = headrace("deploy", str(folder))

    assert 2 == ended.code
    assert sentence in ended.err


@pytest.mark.parametrize(
    "resources", [{"memory": "512M", "cpu": "500m"}, {"memory": {"size": "512M"}, "cpu": {"count": 0.5}}]
)
def test_both_ways_to_write_resources_mean_the_same(resources):
    assert (0.5, 512_000_000, 0) == ModelFolder(Path(), {"resources": resources}).needs()


def test_the_next_version_follows_the_newest_one():
    folder = ModelFolder(Path(), {"version": "1.0.0"})
    row = ModelRow(versions=["1.0.0", "1.2.9", "1.2.10"])

    assert "1.0.0" == choose_version(None, folder, None)
    assert "1.2.11" == choose_version(None, folder, row)


def test_the_smallest_hardware_that_is_enough_is_chosen():
    small, usual, large = (
        Hardware(requirement_id=2, cpu_amount="500m", memory_amount="0.5G"),
        Hardware(requirement_id=1, cpu_amount="1000m", memory_amount="1G"),
        Hardware(requirement_id=3, cpu_amount="2000m", memory_amount="4G"),
    )

    assert small is smallest([usual, small, large], 0.5, 512 * 10**6 - 12 * 10**6, 0)
    assert large is smallest([usual, small, large], 1, 2 * 10**9, 0)
    assert usual is smallest([small, usual, large], 0, 0, 0)
    with pytest.raises(Failure, match="no hardware here has"):
        smallest([usual, small, large], 64, 0, 0)


@pytest.mark.parametrize(("options", "version"), [((), "1.0.1"), (("--version", "2.0.0"), "2.0.0")])
def test_who_comes_second_with_a_new_name_adds_a_version_to_that_model(headrace, folder, server, options, version):
    server.faster = {"name": "Echo", "version": "1.0.0"}
    ended = headrace("deploy", str(folder), "--name", "Echo", *options)

    assert 0 == ended.code, ended.err
    assert [("model00001", ["1.0.0", version])] == [(name, one["versions"]) for name, one in server.models.items()]
    assert version in ended.out


def test_a_version_that_the_first_one_has_taken_is_not_another(headrace, folder, server):
    server.faster = {"name": "Echo", "version": "2.0.0"}
    ended = headrace("deploy", str(folder), "--name", "Echo", "--version", "2.0.0")

    assert (ExitCode.USAGE, True) == (ended.code, "version 2.0.0 exists already" in ended.err), ended.err
