"""Loads the model, and answers until the connection ends. Started by harness.py."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import io
import json
import mmap
import os
import socket
import struct
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from headrace.runners.harness.answers import ASK, FAILED, FORGET, HEAD, READY, Answers
from headrace.runners.harness.failures import log, sentence
from headrace.runners.harness.files_model import FilesDesk, FilesModel
from headrace.runners.harness.jsons import loads
from headrace.runners.harness.questions import FILES, HTTP, Arriving, Asked, Bodies, Started
from headrace.runners.harness.slots import DESCRIPTOR, NONE, Slots

CELL = struct.Struct("=QQQQ")  # as in headrace/dialects/cell.py: the first two are ours to write
LONGEST_TRACE = 16_000  # characters
READ_AHEAD = 256 * 1024  # bytes
YOUNG = 5_000  # new objects after which garbage is looked for: a full turn of small requests makes some hundreds
HERE = __package__ or ""


class Desk(Protocol):
    def answer_all(self, questions: list[Asked], bodies: Bodies, started: Started) -> None: ...


class Loaded:
    """A model with those who answer for it. What tensors need is imported when a question has some.

    `outside`: the descriptor of a connection (calls.py), for formats whose models tell or ask the server something.
    """

    def __init__(
        self, folder: Path, entry: str, settings: dict[str, Any], answers: Answers, outside: int = NONE
    ) -> None:
        self._settings, self._answers = settings, answers
        self._desks: dict[bool, Desk] = {}
        self._routes: Desk | None = None  # of HTTP, which the model answers by itself
        declared = json.loads(settings.get("tensors") or "{}")
        self._files: FilesModel | None = None
        kind, _, rest = entry.partition(":")
        if not kind.endswith(".py"):
            self._tensors(_part(f"adapters.{kind}").load(folder, rest, declared, outside))
            return
        model = load(folder, entry)
        if _says_tensors(model) or declared:
            self._tensors(_part("adapters.python_tensors").PythonTensors(model, declared))
            return
        self._files = FilesModel(model, settings["output"])
        self._desks[True] = FilesDesk(self._files, answers)
        self.ready = {
            "batch_size": self._files.batch_size,
            "inputs": self._files.inputs,
            "outputs": self._files.outputs,
        }
        if self._files.streams:
            self.ready["tensors"] = self._facts(self._as_bytes(self._files)).told()

    def _as_bytes(self, files: FilesModel) -> Any:
        names = [self._settings.get(name) or getattr(files, name) for name in ("inputs", "outputs")]
        return _part("bytes_desk").FilesAsBytes(*names, files.streams)

    def _tensors(self, model: Any) -> None:
        facts = self._facts(model)
        desk = _part("tensor_desk").TensorDesk(model, facts, self._answers, self._settings["output"])
        self._desks = {True: desk, False: desk}
        if model.routes:
            self._routes = _part("routes").RoutesDesk(model, facts.name, self._answers, self._settings["output"])
        self.ready = {
            "batch_size": max(1, facts.rows),
            "inputs": [spec.name for spec in model.inputs],
            "outputs": [spec.name for spec in model.outputs],
            "tensors": facts.told() | {"routes": model.routes},
        }

    def _facts(self, said: Any) -> Any:
        name, version = self._settings.get("model", ""), self._settings.get("version", "")
        return _part("model_facts").Facts(name, version, said)

    def desk_of(self, questions: list[Asked]) -> Desk:
        """They agree in whether they are files; one for a route of the model's own is alone."""
        if self._routes is not None and questions[0].form == HTTP:
            return self._routes
        return self.desk(questions[0].form == FILES)

    def desk(self, files: bool) -> Desk:
        """Who answers questions of the form FILES, or of the other forms."""
        desk = self._desks.get(files)
        if desk is None:
            part = _part("bytes_desk")
            facts = self._facts(part.FilesAsBytes(self._settings.get("inputs") or ()))
            desk = part.BytesDesk(self._files, facts, self._answers, self._settings["output"])
            self._desks[files] = desk
        return desk


def _part(name: str) -> Any:
    return importlib.import_module(f"{HERE}.{name}")


def _says_tensors(model: Any) -> bool:
    """Without importing what only such a model needs."""
    values = [getattr(model, name, None) for name in ("inputs", "outputs")]
    found = [one for value in values if isinstance(value, dict) for one in value.values()]
    return getattr(model, "tensors", False) is True or any(isinstance(one, (tuple, list, dict)) for one in found)


def load(folder: Path, entry: str) -> object:
    """The object that answers: an instance of the entry's class, loaded."""
    file, _, name = entry.partition(":")
    path = folder / file
    sys.path[:0] = [str(part) for part in dict.fromkeys((path.parent, folder))]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise AttributeError(f"{file} has no class {name}")
    model: object = getattr(module, name)()
    prepare = getattr(model, "load", None)
    if callable(prepare):
        prepare()
    return model


class Progress:
    """Which questions have begun, as the server reads it, and what it says of them: see questions.Started."""

    def __init__(self, cell: mmap.mmap) -> None:
        self._cell = cell
        self._numbers = memoryview(cell).cast("Q")  # the first is that of the first question at work, then their count
        self.before = 0  # questions before those that are counted from 0

    def __call__(self, index: int, count: int) -> None:
        numbers = self._numbers
        numbers[0] = self.before + index
        numbers[1] = count

    def unwanted(self, index: int) -> bool:
        _, _, unwanted, _ = CELL.unpack_from(self._cell)
        return bool(unwanted == self.before + index + 1)

    def taken(self) -> int:
        *_, taken = CELL.unpack_from(self._cell)
        return int(taken)


class Shared(NamedTuple):
    """Memory that the server sees, too."""

    cell: mmap.mmap
    slots: Slots
    calls: int  # a descriptor: most models never use it


def answer_forever(loaded: Loaded, reader: io.BufferedReader[Any], shared: Shared) -> int:
    bodies, started = Bodies(reader, shared.slots), Progress(shared.cell)
    while True:
        head = reader.read(HEAD.size)
        if len(head) != HEAD.size:
            return 0  # the server closed the connection: nobody asks any more
        kind, length, _ = HEAD.unpack(head)
        if kind == FORGET:
            shared.slots.forget(loads(reader.read(length)))
            continue
        if kind != ASK:
            return 1
        questions = [Asked(entry) for entry in loads(reader.read(length))]
        for part in _by_form(questions):
            loaded.desk_of(part).answer_all(part, bodies, started)
            started.before += len(part)


def _by_form(questions: list[Asked]) -> list[list[Asked]]:
    """Runs of files and of requests: nearly always one."""
    if len(questions) == 1:
        return [questions]
    files = [one.form == FILES for one in questions]
    if all(files) or not any(files):
        return [questions] if questions else []
    parts: list[list[Asked]] = []
    for one in questions:
        if parts and (parts[-1][0].form == FILES) is (one.form == FILES):
            parts[-1].append(one)
        else:
            parts.append([one])
    return parts


def _shared(connection: socket.socket) -> tuple[bytes, Shared]:
    """With the LOAD frame come descriptors: of what we say of our work, of the lane (slots.py), of calls (calls.py)."""
    space = socket.CMSG_SPACE(3 * DESCRIPTOR.size)
    head, messages, _, _ = connection.recvmsg(HEAD.size, space, socket.MSG_CMSG_CLOEXEC)
    if len(head) != HEAD.size or not messages:
        sys.exit(0)
    cell, lane, calls = struct.unpack("3i", messages[0][2])
    memory = mmap.mmap(cell, CELL.size)
    os.close(cell)
    return head, Shared(memory, Slots(socket.socket(fileno=lane)), calls)


def main(arguments: list[str]) -> int:
    connection = socket.socket(fileno=int(arguments[0]))
    connection.set_inheritable(False)
    head, shared = _shared(connection)
    reader = io.BufferedReader(Arriving(connection), READ_AHEAD)
    settings = json.loads(reader.read(HEAD.unpack(head)[1]))
    answers = Answers(connection)
    try:
        loaded = Loaded(Path(arguments[1]), arguments[2], settings, answers, shared.calls)
    except BaseException as failure:  # noqa: BLE001 - also SystemExit: a model that cannot be loaded says why
        log(failure)
        trace = traceback.format_exc()[-LONGEST_TRACE:].encode(errors="replace").decode()
        answers.send(FAILED, {"error": sentence(failure), "trace": trace})
        return 1
    gc.collect()
    gc.freeze()  # what was loaded stays: no later collection needs to look at it
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    answers.send(READY, loaded.ready)
    return answer_forever(loaded, reader, shared)
