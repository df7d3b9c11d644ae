"""The seventeen documented steps of a deployment (contract B.1), each one a request or two to the server."""

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from headrace.cli.api_client import Api, decode, segment
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.model_folder import ModelFolder, pack, size_of
from headrace.cli.new_version import choose_version, existing
from headrace.cli.output import size
from headrace.cli.shapes import Hardware, ModelRow, Progress, VersionDetails
from headrace.cli.ticks import Note, Ticks

FIRST_LOOK, LONGEST_LOOK = 0.02, 0.5  # seconds between two looks at a long step
IMAGE_LIMIT = 3600.0  # seconds for unpacking and making the environment
ANOTHER_TEST = (
    "put a request that it takes into the folder as test_input/request.json, or give it with --input request.json=FILE"
)
RUN_SLACK = 120.0  # seconds that a test may take beyond the model's own timeouts


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line says; it wins over model.yaml."""

    name: str
    version: str
    test_files: dict[str, Path]  # by model input; they win over those in the folder
    chosen: bool = True  # the version is our choice: another one will do
    minimum: int | None = None
    maximum: int | None = None
    on_server: bool = False  # the folder is on the server: name its path instead of packing it
    registry: Mapping[str, str] | None = None  # where the server gets the image: url, and username and password if any


@dataclass(frozen=True, slots=True)
class Deployed:
    model_id: str
    version: str
    url: str
    test_status: str
    test_files: Mapping[str, Path]  # by model input: those that were sent


class Deployment:
    """`model_id` is that of a model which gets a new version, or "" for a new model."""

    def __init__(self, api: Api, folder: ModelFolder, wishes: Wishes, model_id: str) -> None:
        self._api, self._folder, self._wishes, self._model = api, folder, wishes, model_id
        self._timeout = folder.timeout()
        self._test_status = ""
        self._test_files: dict[str, Path] = {}
        self._by_zeros = False  # some inputs are tried with zeros

    def steps(self) -> list[tuple[str, Callable[[Note], None]]]:
        return [
            ("create the model", self._create),
            ("name and summary", self._describe),
            ("container image", self._image),
            ("requirements", self._requirement),
            ("timeouts", self._timeouts),
            ("metrics", self._metrics),
            ("test: load the model", self._load),
            ("inputs", self._inputs),
            ("outputs", self._outputs),
            ("test file", self._test_file),
            ("test: run the model", self._run),
            ("description", self._long_description),
            ("release notes", self._release_notes),
            ("transparency and bias", self._transparency),
            ("tags", self._tags),
            ("picture", self._picture),
            ("deploy", self._activate),
        ]

    def go(self, ticks: Ticks) -> Deployed:
        for number, (title, step) in enumerate(self.steps(), 1):
            with ticks.step(str(number), title) as note:
                step(note)
        url = f"{self._api.target.url}/models/{self._model}/{self._wishes.version}"
        return Deployed(self._model, self._wishes.version, url, self._test_status, self._test_files)

    @property
    def _path(self) -> str:
        return f"models/{self._model}/versions/{segment(self._wishes.version)}"

    def _create(self, note: Note) -> None:
        wishes = self._wishes
        if self._model:
            self._api.post(f"models/{self._model}/versions", {"version": wishes.version})
            note.end = f"{self._model}, a new version {wishes.version}"
            return
        try:
            made = self._api.post("models", {"name": wishes.name, "version": wishes.version, "unique": True})
        except Failure as failure:
            self._follow(failure)
            self._create(note)
            return
        self._model = decode(made, ModelRow).identifier
        note.end = f"{self._model} version {wishes.version}"

    def _follow(self, failure: Failure) -> None:
        """Somebody made a model of this name meanwhile: it gets the version. Raises `failure` where there is none."""
        wishes = self._wishes
        row = None if failure.code is not ExitCode.FAILED else existing(self._api, wishes.name, None)
        if row is None:
            raise failure
        version = choose_version(None if wishes.chosen else wishes.version, self._folder, row)
        self._model, self._wishes = row.model_id, replace(wishes, version=version)

    def _describe(self, note: Note) -> None:
        self._patch_model({"name": self._wishes.name, "description": self._folder.description("summary")})
        note.end = self._wishes.name

    def _image(self, note: Note) -> None:
        if self._wishes.registry is not None:
            self._api.post(f"{self._path}/container-image", {"registry": self._wishes.registry})
        elif self._wishes.on_server:
            self._api.post(f"{self._path}/container-image", {"folder": str(self._folder.path.absolute())})
        elif self._folder.path.is_file():
            with self._folder.path.open("rb") as image:
                note.end = size(self._folder.path.stat().st_size)
                note.at(0, "sending")
                self._send(image, self._folder.path.name)
        else:
            with tempfile.TemporaryFile() as archive:
                files = pack(self._folder, archive)
                note.end = f"{files} files, {size(archive.tell())} packed"
                note.at(0, "sending")
                self._send(archive, f"{self._folder.path.resolve().name}.tar.gz")
        self._wait("container-image", note, IMAGE_LIMIT)

    def _send(self, archive: IO[bytes], name: str) -> None:
        archive.seek(0)
        self._api.upload(f"{self._path}/container-image", "file", archive, name)

    def _requirement(self, note: Note) -> None:
        offers = self._api.read(list[Hardware], "models/requirements/account")
        chosen = smallest(offers, *self._folder.needs())
        self._patch({"requirement": {"requirementId": chosen.requirement_id}})
        note.end = f"{chosen.cpu_amount} processor, {chosen.memory_amount} memory"

    def _timeouts(self, note: Note) -> None:
        if self._timeout:
            self._patch({"timeout": self._timeout})
        now = self._api.read(VersionDetails, self._path).timeout
        self._timeout = {"status": now.status, "run": now.run}
        note.end = f"load {now.status / 1000:g} s, one input {now.run / 1000:g} s"

    def _metrics(self, note: Note) -> None:
        metrics = self._folder.metrics()
        self._patch({"statistics": metrics})
        note.end = ", ".join(f"{one['label']} {one['value']}" for one in metrics) or "none"

    def _load(self, _note: Note) -> None:
        self._api.post(f"{self._path}/load-process", deadline=self._timeout["status"] / 1000 + RUN_SLACK)

    def _inputs(self, note: Note) -> None:
        note.end = self._files("inputs", self._folder.inputs())

    def _outputs(self, note: Note) -> None:
        note.end = self._files("outputs", self._folder.outputs())

    def _files(self, kind: str, files: list[dict[str, Any]]) -> str:
        """An empty list would erase what the server knows from the folder itself."""
        if files:
            self._patch({kind: files})
        return ", ".join(one["name"] for one in files)

    def _test_file(self, note: Note) -> None:
        """What is missing for a model that takes tensors the server makes of zeros."""
        said = self._api.read(VersionDetails, self._path)
        known = [one.name for one in said.inputs]
        files = self._wishes.test_files
        if not _holds_all(files):
            files = self._folder.test_files(known, tensors=said.takes_tensors and not files) | files
        missing = [] if _holds_all(files) else [name for name in known if name not in files]
        if not said.takes_tensors and (missing or not files):
            what, name = (f"the input {missing[0]}", missing[0]) if missing else ("it", "NAME")
            raise Failure(
                f"there is no test file for {what}",
                cure=f"put it in the folder as test_input/{name}, or give --input {name}=FILE",
            )
        for name, path in files.items():
            with path.open("rb") as file:
                self._api.upload(f"{self._path}/testInput", "file", file, path.name, {"name": name})
        self._test_files, self._by_zeros = files, bool(missing)
        shown = [path.name for path in files.values()]
        note.end = ", ".join([*shown, f"zeros for {', '.join(missing)}"] if missing else shown) or "none"

    def _run(self, note: Note) -> None:
        self._api.post(f"{self._path}/run-process")
        over = self._wait("run-process", note, sum(self._timeout.values()) / 1000 + RUN_SLACK)
        result = over.result
        self._test_status = result.status if result else ""
        if result is not None and result.status == "FAILED":
            tried = "zeros" if self._by_zeros else "the test file"
            raise Failure(f"the model failed on {tried}: {result.error}", cure=ANOTHER_TEST if self._by_zeros else "")
        if not self._test_files and not self._by_zeros:
            note.end = "it has loaded, and was asked nothing: it declares no inputs, and there is no test request"
        else:
            note.end = f"one input in {result.elapsed_time} ms" if result else ""

    def _long_description(self, _note: Note) -> None:
        self._patch({"longDescription": self._folder.description("details")})

    def _release_notes(self, note: Note) -> None:
        notes = self._folder.text("releaseNotes")
        self._patch({"versionHistory": notes})
        note.end = notes.splitlines()[0] if notes else "none"

    def _transparency(self, _note: Note) -> None:
        described = self._folder.description
        self._patch({"technicalDetails": described("technical"), "performanceSummary": described("performance")})

    def _tags(self, note: Note) -> None:
        if self._folder.tags:
            self._patch_model({"tags": self._folder.tags})
        note.end = ", ".join(self._folder.tags) or "none"

    def _picture(self, note: Note) -> None:
        picture = self._folder.picture()
        if picture is None:
            note.end = "none"
            return
        with picture.open("rb") as file:
            query = {"description": self._wishes.name}
            self._api.upload(f"models/{self._model}/image", "file", file, picture.name, query)
        note.end = picture.name

    def _activate(self, note: Note) -> None:
        minimum, maximum = self._wishes.minimum, self._wishes.maximum
        if minimum is not None or maximum is not None:
            low = minimum or 0
            engines = {"minimumParallelCapacity": low, "maximumParallelCapacity": maximum or max(low, 1)}
            self._patch({"processing": engines})
        self._patch({"status": "active"})
        note.end = "active"

    def _patch(self, body: dict[str, Any]) -> None:
        self._api.patch(self._path, body, deadline=300.0)

    def _patch_model(self, body: dict[str, Any]) -> None:
        self._api.patch(f"models/{self._model}", body)

    def _wait(self, step: str, note: Note, limit: float) -> Progress:
        end, pause = time.monotonic() + limit, FIRST_LOOK
        while True:
            progress = self._api.read(Progress, f"{self._path}/{step}")
            note.at(progress.percentage, progress.step_name)
            if progress.percentage >= 100:  # noqa: PLR2004 - per cent
                return progress
            if time.monotonic() > end:
                raise Failure(f"{step} is still at {progress.percentage} % after {limit:.0f} s", ExitCode.TIMEOUT)
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_LOOK)


def smallest(offers: list[Hardware], processors: float, memory: int, gpus: int) -> Hardware:
    """The first offer that is enough when they are sorted by size. Raises Failure when none is."""
    fitting = [
        offer
        for offer in offers
        if offer.status == "ACTIVE"
        and offer.requirement_id != ARM
        and offer.gpu_units >= gpus
        and cpu_of(offer) >= processors
        and memory_of(offer) >= memory
    ]
    if not fitting:
        raise Failure(
            f"no hardware here has {processors:g} processors, {size(memory)} of memory and {gpus} GPUs",
            cure="lower `resources` in model.yaml; GET /api/models/requirements/account lists what there is",
        )
    if not processors and not memory and not gpus:  # nothing is asked for: the usual one
        return next((offer for offer in fitting if offer.requirement_id == 1), fitting[0])
    return min(fitting, key=lambda offer: (offer.gpu_units, cpu_of(offer), memory_of(offer)))


def _holds_all(files: Mapping[str, Path]) -> bool:
    """Whether there is one file, and that holds all inputs."""
    return len(files) == 1 and is_request(*files.values())


def is_request(path: Path) -> bool:
    """Whether the file is an Open Inference request: then it holds the tensors of all inputs."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, OSError):
        return False
    return isinstance(found, dict) and isinstance(found.get("inputs"), list)


ARM = -99  # another architecture: only when asked for by name


def cpu_of(offer: Hardware) -> float:
    amount = offer.cpu_amount
    return float(amount[:-1]) / 1000 if amount.endswith("m") else float(amount or 0)


def memory_of(offer: Hardware) -> int:
    return size_of(offer.memory_amount, "memoryAmount")
