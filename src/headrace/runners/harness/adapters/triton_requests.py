"""Requests and responses as models of Triton's Python backend see them (see triton_shim.py, which they import)."""

from __future__ import annotations

import json
import operator
import threading
from collections.abc import Callable
from typing import Any

from headrace.runners.harness.arrays import as_array, datatype_of, np
from headrace.runners.harness.flow import Unwanted

FINAL = 1  # a flag of `send`
SEQUENCE_START, SEQUENCE_END = 1, 2  # flags of a request
ALL, RESCHEDULE = 1, 2  # flags of how a request is let go
CPU = (1, 0)  # kind and number of the device in DLPack's terms
OWN = frozenset(
    {"sequence_id", "sequence_start", "sequence_end", "priority", "timeout"}
)  # no parameters of the model's


class TritonModelException(Exception):
    """What a model raises of its own accord. `status_code`: of HTTP, where it is said."""

    status_code: int | None = None


def text(value: str | bytes) -> str:
    """Elements of a BYTES tensor are bytes, and Triton takes them wherever it takes a string."""
    return value.decode() if isinstance(value, (bytes, bytearray)) else str(value)


def _parameters(said: Any) -> dict[str, Any]:
    return json.loads(said) if isinstance(said, (str, bytes)) else dict(said or {})


def _correlation(said: Any) -> int | str:
    return text(said) if isinstance(said, (str, bytes)) else operator.index(said)


class InferenceTrace:
    """`get_context`: what OpenTelemetry propagates, as JSON; None where the request brought nothing of it."""

    def __init__(self, traceparent: str = "") -> None:
        self._traceparent = traceparent

    def get_context(self) -> str | None:
        return json.dumps({"traceparent": self._traceparent}) if self._traceparent else None


class TritonError:
    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED = range(8)

    def __init__(self, message: str | bytes, code: int = INTERNAL) -> None:
        self._message, self._code = text(message), code

    def message(self) -> str:
        return self._message

    def code(self) -> int:
        return self._code


STATUSES = {  # of HTTP, as Triton's server answers an error with this code
    TritonError.UNKNOWN: 400, TritonError.INTERNAL: 500, TritonError.NOT_FOUND: 404, TritonError.INVALID_ARG: 400,
    TritonError.UNAVAILABLE: 503, TritonError.UNSUPPORTED: 501, TritonError.ALREADY_EXISTS: 400,
    TritonError.CANCELLED: 400,
}  # fmt: skip
_CODES = {status: code for code, status in STATUSES.items()} | {400: TritonError.INVALID_ARG}


def told(message: str, status: int) -> TritonError:
    """What the server said of a request to another model."""
    return TritonError(message, _CODES.get(status, TritonError.INTERNAL))


def raised(error: Any, where: str = "") -> TritonModelException:
    """Of an error in a response. `where`: what stands before its message."""
    if not hasattr(error, "message"):
        return TritonModelException(f"{where}{error}")
    failure = TritonModelException(f"{where}{error.message()}")
    failure.status_code = STATUSES.get(error.code())
    return failure


class Tensor:
    def __init__(self, name: str | bytes, array: Any) -> None:
        self._name = text(name)
        self._array = as_array(array, self._name)

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
        return self.__dlpack__()

    def __dlpack__(self, *, stream: Any = None, **said: Any) -> Any:
        array = self._array if self._array.flags.writeable else self._array.copy()  # it cannot say that one is not
        return array.__dlpack__(stream=stream, **said)

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> Tensor:
        """What has the methods of DLPack, or a capsule as `to_dlpack` gives it."""
        return Tensor(name, np.from_dlpack(tensor if hasattr(tensor, "__dlpack__") else _Capsule(tensor)))


class _Capsule:
    """A capsule does not say where its data lie; there is only one place here."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_said: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU


class InferenceResponse:
    def __init__(self, output_tensors: Any = (), error: TritonError | None = None, parameters: Any = None) -> None:
        self._outputs, self._error = list(output_tensors), error
        self.told = _parameters(parameters)

    def output_tensors(self) -> list[Tensor]:
        return self._outputs

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error

    def parameters(self) -> str:
        return json.dumps(self.told)


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
        self._id, self._correlation, self._inputs = text(request_id), _correlation(correlation_id), list(inputs)
        self._outputs, self._model = [text(name) for name in requested_output_names], text(model_name)
        self._version, self._flags, self._timeout = map(operator.index, (model_version, flags, timeout))
        self._memory, self._trace = preferred_memory, trace or InferenceTrace()
        self._parameters = _parameters(parameters)
        self._sender: Sender | None = None
        self._again = False

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
            trace=InferenceTrace(str(said.get("traceparent") or "")),
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

    def set_release_flags(self, flags: int) -> None:
        self._again = bool(flags & RESCHEDULE)

    def rescheduled(self) -> bool:
        """Whether the model wants to be given it once more. Tells it once."""
        again, self._again = self._again, False
        return again

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

    def addressed(self, model: str, version: str) -> InferenceRequest:
        """The same to another model. "": its latest version."""
        self._model, self._version = model, int(version or -1)
        return self

    def answered_by(self, sender: Sender) -> InferenceRequest:
        self._sender = sender
        return self

    def get_response_sender(self) -> Sender:
        if self._sender is None:
            raise TritonModelException("this request was made by the model itself: nobody waits for its responses")
        return self._sender

    def is_cancelled(self) -> bool:
        return self._sender is not None and self._sender.is_cancelled()
