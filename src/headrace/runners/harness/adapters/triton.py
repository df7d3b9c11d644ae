"""Models of a Triton repository, beside a config.pbtxt: the Python backend's classes, ONNX and TorchScript files.

An ensemble is its config.pbtxt alone: see ensemble.py.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters import triton_shim
from headrace.runners.harness.adapters.adapter import Adapter, Asked, Given, Taker
from headrace.runners.harness.adapters.triton_calls import Outside, for_model
from headrace.runners.harness.adapters.triton_config import Config, Configured
from headrace.runners.harness.adapters.triton_requests import InferenceRequest, InferenceResponse, Sender, raised
from headrace.runners.harness.adapters.triton_reshape import reshaped
from headrace.runners.harness.adapters.triton_sequences import InSequence
from headrace.runners.harness.adapters.triton_warmup import warm_up
from headrace.runners.harness.calls import Calls
from headrace.runners.harness.flow import DECOUPLED, Unwanted
from headrace.runners.harness.tensors import UNSUPPORTED, Refused

BACKENDS = {  # by the file that they read: what a config calls them as backend or platform
    ".py": ("python",),
    ".onnx": ("onnxruntime", "onnxruntime_onnx"),
    ".pt": ("pytorch", "pytorch_libtorch"),
}


class PythonBackend(Configured):
    def __init__(self, folder: Path, path: str, config: Config, outside: Outside) -> None:
        module = sys.modules["triton_python_backend_utils"] = for_model(outside)
        self._requests, self._sheet = module.InferenceRequest, outside.sheet
        kind = _class(folder / path)
        if callable(complete := getattr(kind, "auto_complete_config", None)):
            completed = complete(
                triton_shim.ModelConfig(config.tensors, config.max_batch_size, decoupled=config.decoupled)
            )
            config.max_batch_size, config.decoupled = completed.max_batch_size, completed.decoupled
        super().__init__(config)
        self.platform = "python"
        self.streams = "only" if config.decoupled else ""
        self._model = kind()
        if callable(initialize := getattr(self._model, "initialize", None)):
            initialize(_arguments(folder, path, config))

    def run(self, arrays: dict[str, Any], asked: Asked) -> dict[str, Any] | Given:
        if self.config.decoupled:
            raise Refused(DECOUPLED, UNSUPPORTED)
        sent: list[InferenceResponse] = []
        request, sender = self._request(arrays, asked, sent.append, lambda: True)
        responses = self._execute(request)
        if not responses or responses[0] is None:
            sender.wait()
        self._sheet.tell()
        response = next(iter([one for one in responses or sent if one is not None] or sent), None)
        if response is None:
            raise TypeError("execute returned no response")
        return _given(response)

    def stream(self, arrays: dict[str, Any], asked: Asked, taker: Taker) -> None:
        request, sender = self._request(arrays, asked, lambda one: taker.give(_given(one)), taker.wanted)
        if self._execute(request) is not None:
            raise TypeError("the model is decoupled, so execute must return None and send by the response sender")
        sender.wait()
        self._sheet.tell()

    def _execute(self, request: InferenceRequest) -> Any:
        """Once more as often as the model reschedules the request, while somebody waits for it."""
        responses = _done(self._model.execute([request]))
        while request.rescheduled():
            if request.is_cancelled():
                raise Unwanted
            responses = _done(self._model.execute([request]))
        return responses

    def _request(
        self, arrays: dict[str, Any], asked: Asked, take: Callable[[Any], None], wanted: Callable[[], bool]
    ) -> tuple[InferenceRequest, Sender]:
        names = list(asked.outputs or [spec.name for spec in self.outputs])
        inputs = [triton_shim.Tensor(name, array) for name, array in arrays.items()]
        sender = Sender(take, wanted)
        return self._requests.given(inputs, asked.id, asked.parameters, names).answered_by(sender), sender


def _done(result: Any) -> Any:
    """`execute` may be a coroutine."""
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def _given(response: InferenceResponse) -> Given:
    """Raises TritonModelException where the response is an error."""
    if (error := response.error()) is not None:
        raise raised(error)
    return Given({one.name(): one.as_numpy() for one in response.output_tensors()}, response.told or None)


def _onnx(path: Path, config: Config) -> Adapter:
    model: Any = importlib.import_module(f"{__package__}.onnx").Onnx(
        path, config.max_batch_size if config.complete else None
    )
    model.inputs = config.specs("input") or model.inputs
    model.outputs = config.specs("output") or model.outputs
    model.labels = config.labels()
    return model  # type: ignore[no-any-return]


def _class(path: Path) -> Any:
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("model", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["model"] = module
    spec.loader.exec_module(module)
    return module.TritonPythonModel


def _arguments(folder: Path, path: str, config: Config) -> dict[str, str]:
    return {
        "model_config": json.dumps(config.as_json()),
        "model_instance_kind": "CPU",
        "model_instance_name": f"{config.name}_0",
        "model_instance_device_id": "0",
        "model_repository": str(folder),
        "model_version": path.partition("/")[0],
        "model_name": config.name,
    }


def load(folder: Path, path: str, _declared: dict[str, Any], outside: int) -> Adapter:
    config = Config(folder)
    model = reshaped(_backend(folder, path, config, outside), config.reshapes)
    said = config.sequence_batching
    if said is not None and not config.iterative:
        model = InSequence(model, said)
    elif not model.streams and config.ensemble_scheduling is None:  # which asks others only while it is asked itself
        warm_up(model, config.warmup, folder)
    model.configuration = config.text
    return model


def _backend(folder: Path, path: str, config: Config, outside: int) -> Adapter:
    suffix = Path(path).suffix
    named = [name for name in (config.platform, config.backend) if name and name not in BACKENDS.get(suffix, (name,))]
    if named:
        raise TypeError(f"config.pbtxt names the backend {named[0]}, and {path} is for {BACKENDS[suffix][0]}")
    match suffix:
        case ".py":
            return PythonBackend(folder, path, config, Outside(Calls.over(outside)))
        case ".onnx":
            return _onnx(folder / path, config)
        case ".pt":
            script: Any = importlib.import_module(f"{__package__}.torch_script").TorchScript
            return script(folder / path, config)  # type: ignore[no-any-return]
        case ".pbtxt":
            ensemble: Any = importlib.import_module(f"{__package__}.ensemble").Ensemble
            return ensemble(config, Outside(Calls.over(outside)))  # type: ignore[no-any-return]
        case other:
            raise TypeError(f"a model file {other} of a Triton repository is not supported: .py, .onnx and .pt are")
