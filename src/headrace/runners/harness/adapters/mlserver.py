"""Folders of MLServer, unmodified: its own MLModel, types and codecs do the work, and nothing of its server runs."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import math
import sys
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked, Given, HttpRequest, Pieces, Taker
from headrace.runners.harness.adapters.blame import blaming_the_request
from headrace.runners.harness.adapters.mlserver_metrics import Registered
from headrace.runners.harness.adapters.mlserver_routes import Handlers
from headrace.runners.harness.adapters.one import only_one
from headrace.runners.harness.arrays import Unfit, array_of
from headrace.runners.harness.calls import Calls
from headrace.runners.harness.failures import message
from headrace.runners.harness.generators import hand_over
from headrace.runners.harness.loose import Loose
from headrace.runners.harness.metrics import Sheet
from headrace.runners.harness.tensors import DATATYPES, Input, Refused, Spec, flatten

SETTINGS = "model-settings.json"
NARROW = ("FP16", "BF16", "FP32")
RUNTIMES = ("mlserver_sklearn", "mlserver_xgboost", "mlserver_lightgbm")


class MlServer(Adapter):
    platform, strict, loose = "mlserver", False, True

    def __init__(self, folder: Path, outside: int) -> None:
        self._types: Any = importlib.import_module("mlserver.types")
        self._context: Any = importlib.import_module("mlserver.context").model_context
        base: Any = importlib.import_module("mlserver").MLModel
        self._settings = _settings(folder)
        self._measured = Registered(Sheet(Calls.over(outside)))
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        model = self._model = self._settings.implementation(self._settings)
        with self._context(self._settings):
            if self._loop.run_until_complete(model.load()) is False:
                raise RuntimeError("its load() returned False")
        model.ready = True
        self.streams = _streams(type(model), base)
        self._refusals = _refusals(type(model))
        self.platform = self._settings.platform or "mlserver"
        self.inputs, self.outputs = _specs(model.inputs), _specs(model.outputs)
        self.cached = getattr(self._settings, "cache_enabled", False) is True
        self.rows = self._settings.max_batch_size if self._settings.max_batch_size > 1 else 0
        self._handlers = Handlers(model)
        self.routes = self._handlers.routes

    def run(self, arrays: dict[str, Any], asked: Asked) -> Given:
        if self.streams == "only":
            found = only_one(self, arrays, asked)
            return found if isinstance(found, Given) else Given(found)
        with self._context(self._settings):
            response = self._loop.run_until_complete(self._ask(self._request(arrays, asked)))
        self._measured.tell()
        return _given(response)

    async def _ask(self, request: Any) -> Any:
        with blaming_the_request(*self._refusals):
            try:
                return await self._model.predict(request)
            except (TypeError, LookupError, AttributeError, ValueError) as error:
                given = [one.name for one in request.inputs]
                if missing := [spec.name for spec in self.inputs if spec.name not in given]:
                    raise Refused(
                        f"the model failed without its input(s) {missing}, and got input(s) {given}: {message(error)}"
                    ) from error
                raise

    def stream(self, arrays: dict[str, Any], asked: Asked, taker: Taker) -> None:
        with self._context(self._settings):
            request = self._request(arrays, asked)

            async def payloads() -> Any:
                yield request

            answers = self._model.predict_stream(payloads())
            hand_over(answers, lambda answer: taker.give(_given(answer)), self._loop)
        self._measured.tell()

    def respond(self, request: HttpRequest, pieces: Pieces) -> None:
        with self._context(self._settings):
            self._loop.run_until_complete(self._handlers.respond(request, pieces))
        self._measured.tell()

    def _request(self, arrays: dict[str, Any], asked: Asked) -> Any:
        types = self._types
        inputs = [
            types.RequestInput(
                name=one.name,
                shape=list(shape),
                datatype=one.datatype,
                data=types.TensorData(root=data),
                parameters=types.Parameters(**one.parameters) if one.parameters else None,
            )
            for one in asked.inputs
            for shape, data in [_seen(one, arrays[one.name])]
        ]
        return types.InferenceRequest(
            id=asked.id or None,
            inputs=inputs,
            outputs=None if asked.outputs is None else [types.RequestOutput(name=name) for name in asked.outputs],
            parameters=types.Parameters(**asked.parameters) if asked.parameters else None,
        )


def _streams(kind: Any, base: Any) -> str:
    """Which of MLServer's two methods the class has of its own."""
    if kind.predict_stream is base.predict_stream:
        return ""
    return "only" if kind.predict is base.predict else "also"


def _refusals(kind: Any) -> tuple[type[BaseException], ...]:
    """What MLServer's own runtimes raise for data that the library behind them does not take.

    () for all others: there an error may be one of the owner's code.
    """
    package = kind.__module__.partition(".")[0]
    if package not in RUNTIMES:
        return ()
    if package == "mlserver_lightgbm":
        library: Any = importlib.import_module("lightgbm")
        return (library.basic.LightGBMError, ValueError, TypeError)
    return (ValueError, TypeError)  # XGBoost's is one of them


def _settings(folder: Path) -> Any:
    """Read as MLServer reads them, so that modules and files are found beside them."""
    module: Any = importlib.import_module("mlserver.settings")
    said = json.loads((folder / SETTINGS).read_text())
    said.setdefault("name", folder.name)
    said["parameters"] = {**(said.get("parameters") or {})}
    if not said["parameters"].get("uri"):
        said["parameters"]["uri"] = str(folder)
    said["_source"] = str(folder / SETTINGS)
    sys.path.insert(0, str(folder))
    return module.ModelSettings.model_validate(said)


def _specs(listed: Any) -> tuple[Spec, ...]:
    return tuple(
        Spec(
            one.name,
            str(getattr(one.datatype, "value", one.datatype)),
            tuple(one.shape),
            parameters={
                key: said for key, said in (_parameters(one.parameters) or {}).items() if isinstance(said, str)
            },
        )
        for one in listed or ()
    )


def _seen(one: Input, array: Any) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and data as the model sees them: as the client said, unless several requests run together."""
    if type(one) is Loose and len(one.said_data) == array.size:
        return one.said_shape, _texts(one.said_data)
    flat: list[Any] = array.reshape(-1).tolist()
    return array.shape, _texts(flat) if array.dtype.kind == "O" else flat


def _texts(values: list[Any]) -> list[Any]:
    """All as texts, if all are."""
    with contextlib.suppress(UnicodeDecodeError):
        return [one.decode() if type(one) is bytes else one for one in values]
    return values


def _given(response: Any) -> Given:
    outputs, parameters, datatypes = {}, {}, {}
    for one in response.outputs:
        datatype = str(getattr(one.datatype, "value", one.datatype))
        root = one.data.root
        values = flatten(list(root)) if isinstance(root, (list, tuple)) else [root]
        shape = tuple(one.shape)
        if datatype == "BYTES":
            values = [b"" if value is None else value for value in values]
            shape = shape if len(values) == math.prod(shape) else (len(values),)  # it may have counted letters
        if datatype not in DATATYPES or len(values) != math.prod(shape):
            raise Unfit(f"output '{one.name}' of {datatype} has {len(values)} elements and the shape {list(shape)}")
        kind = "FP64" if datatype in NARROW else datatype  # what is too large for it is made an infinity later
        try:
            outputs[one.name] = array_of([Input(one.name, kind, shape, values, None)], shape, "")
        except Refused:
            raise Unfit(f"output '{one.name}' holds values that are not of its type {datatype}") from None
        datatypes[one.name] = datatype
        if said := _parameters(one.parameters):
            parameters[one.name] = said
    return Given(outputs, _parameters(response.parameters), parameters, datatypes)


def _parameters(said: Any) -> dict[str, Any] | None:
    if said is None:
        return None
    found: dict[str, Any] = said.model_dump(exclude_none=True)
    found.pop("headers", None)
    return found or None


def load(folder: Path, path: str, _declared: dict[str, Any], outside: int) -> Adapter:
    return MlServer(folder / path, outside)
