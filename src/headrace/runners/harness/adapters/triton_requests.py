"""Requests and responses as models of Triton's Python backend see them (see triton_shim.py, which they import)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from headrace.runners.harness.arrays import as_array, datatype_of, np
from headrace.runners.harness.flow import Unwanted

FINAL = 1  # a flag of `send`
SEQUENCE_START, SEQUENCE_END = 1, 2  # flags of a request
OWN = frozenset(
    {"sequence_id", "sequence_start", "sequence_end", "priority", "timeout"}
)  # no parameters of the model's


class TritonModelException(Exception):
    """What a model raises of its own accord."""


class TritonError:
    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED = range(8)

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        self._message, self._code = str(message), code

    def message(self) -> str:
        return self._message

    def code(self) -> int:
        return self._code


class Tensor:
    def __init__(self, name: str, array: Any) -> None:
        self._name, self._array = name, as_array(array, name)

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> Any:
        return self._array

    def shape(self) -> list[int]:
        return list(self._array.shape)

    def triton_dtype(self) -> str:
        plain = datatype_of(self._array)
        return f"TYPE_{'STRING' if plain == 'BYTES' else plain}"

    def is_cpu(self) -> bool:
        return True

    def to_dlpack(self) -> Any:
        return self._array.__dlpack__()

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> Tensor:
        return Tensor(name, np.from_dlpack(tensor))


class InferenceResponse:
    def __init__(self, output_tensors: Any = (), error: TritonError | None = None, parameters: Any = None) -> None:
        self._outputs, self._error = list(output_tensors), error
        self._parameters = json.loads(parameters) if isinstance(parameters, str) else dict(parameters or {})

    def output_tensors(self) -> list[Tensor]:
        return self._outputs

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error

    def parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = self._parameters
        return found


class Sender:
    """What a model sends for one request, from whatever thread. `take` may raise Unwanted: then the rest is dropped."""

    def __init__(self, take: Callable[[InferenceResponse], None], wanted: Callable[[], bool]) -> None:
        self._take, self._wanted = take, wanted
        self._over = threading.Event()
        self.failure: BaseException | None = None

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        if self._over.is_set():
            raise TritonModelException("Unable to send response. Response sender has been closed.")
        if response is not None and self.failure is None:
            try:
                self._take(response)
            except BaseException as failure:  # noqa: BLE001 - it is said where the request is waited for
                self.failure = failure
        if flags & FINAL:
            self._over.set()

    def is_cancelled(self) -> bool:
        return self.failure is not None or not self._wanted()

    def wait(self) -> None:
        """Until the model has said that nothing more comes. Raises what went wrong with its responses."""
        self._over.wait()
        if self.failure is not None and not isinstance(self.failure, Unwanted):
            raise self.failure


def _spread(said: dict[str, Any]) -> dict[str, Any]:
    """Headers that the operator lets models see are parameters of their own names, as Triton has them."""
    headers = said.get("headers")
    if not isinstance(headers, dict):
        return said
    return {**{key: value for key, value in said.items() if key != "headers"}, **headers}


class InferenceRequest:
    """One request, as a model gets it or makes it for another model."""

    def __init__(  # noqa: PLR0913 - Triton's own parameters
        self,
        request_id: str = "",
        correlation_id: int | str = 0,
        inputs: Any = (),
        requested_output_names: Any = (),
        model_name: str = "",
        model_version: int = -1,
        flags: int = 0,
        timeout: int = 0,
        preferred_memory: Any = None,
        trace: Any = None,
        parameters: Any = None,
    ) -> None:
        self._id, self._correlation, self._inputs = request_id, correlation_id, list(inputs)
        self._outputs, self._model, self._version = list(requested_output_names), model_name, model_version
        self._flags, self._timeout, self._memory, self._trace = flags, timeout, preferred_memory, trace
        self._parameters = json.loads(parameters) if isinstance(parameters, str) else dict(parameters or {})
        self._sender: Sender | None = None

    @classmethod
    def given(cls, inputs: list[Tensor], request_id: str, said: dict[str, Any], outputs: list[str]) -> InferenceRequest:
        """As it came: what the protocol knows among its parameters is told by methods."""
        said = _spread(said)
        start, end = said.get("sequence_start") is True, said.get("sequence_end") is True
        return cls(
            request_id,
            said.get("sequence_id", 0),
            inputs,
            outputs,
            flags=SEQUENCE_START * start | SEQUENCE_END * end,
            timeout=said.get("timeout", 0),
            parameters={key: value for key, value in said.items() if key not in OWN},
        )

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def request_id(self) -> str:
        return self._id

    def correlation_id(self) -> int | str:
        return self._correlation

    def flags(self) -> int:
        return self._flags

    def set_flags(self, flags: int) -> None:
        self._flags = flags

    def timeout(self) -> int:
        return self._timeout

    def preferred_memory(self) -> Any:
        return self._memory

    def trace(self) -> Any:
        return self._trace

    def parameters(self) -> str:
        return json.dumps(self._parameters)

    def requested_output_names(self) -> list[str]:
        return self._outputs

    def model_name(self) -> str:
        return self._model

    def model_version(self) -> int:
        return self._version

    def answered_by(self, sender: Sender) -> InferenceRequest:
        self._sender = sender
        return self

    def get_response_sender(self) -> Sender:
        if self._sender is None:
            raise TritonModelException("this request was made by the model itself: nobody waits for its responses")
        return self._sender

    def is_cancelled(self) -> bool:
        return self._sender is not None and self._sender.is_cancelled()
