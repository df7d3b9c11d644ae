"""One question to one replica, and its answer: the same for a job's input, a run test and every later door.

A question is named bodies, passed on undecoded. How the bytes are to be understood is said by `form`, and only the
replica's own code decodes them: a Modzy input is files by name; an Open Inference request will be one body in its
own encoding. Many questions may be handed over at once; a replica that can batch runs them together.

None of the three is ever changed. They are no frozen dataclasses, as their neighbours are, because some are made for
every request, and a structure of msgspec's is made ten times as fast.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from headrace.domain.body import Body, Given
from headrace.domain.clock import Millis


class Form(StrEnum):
    """How the bodies of a question are encoded."""

    FILES = "files"  # model input name → content of that file
    V2_REST = "v2-rest"  # "" → the HTTP body of an inference request, JSON or JSON with binary tensors
    V2_GRPC = "v2-grpc"  # "" → a serialized ModelInferRequest
    HTTP = "http"  # "" → a request of HTTP for one of the model's own routes: its head as JSON, then its body


class Fault(StrEnum):
    """Whose fault an answer's error is."""

    MODEL = "model"  # the model failed, or says so
    REQUEST = "request"  # the question breaks a rule of its form
    UNSUPPORTED = "unsupported"  # understood, but this model cannot do it


STATUSES = {Fault.REQUEST: 400, Fault.UNSUPPORTED: 501, Fault.MODEL: 500}  # of HTTP
_NAMED = re.compile(r"[45][0-9]{2}")


class Question(msgspec.Struct):
    """`meta` holds short facts that belong to the form, such as the length of the JSON before binary tensors."""

    inputs: Mapping[str, Given]
    form: Form = Form.FILES
    explain: bool = False
    meta: Mapping[str, str] = {}
    stream: bool = False  # it may have any number of answers


class Output(msgspec.Struct):
    """One named output. `media_type` is what the model said, or what its bytes are: JSON, text or neither."""

    body: Body
    media_type: str


class Answer(msgspec.Struct):
    """Outputs by name, or the reason why there are none. Times are the replica's wall clock, UTC."""

    started: Millis
    ended: Millis
    latency: float  # milliseconds inside the model
    outputs: Mapping[str, Output] = {}
    error: str | None = None
    fault: Fault = Fault.MODEL
    meta: Mapping[str, str] = {}
    more: bool = False  # further answers to the same question follow

    @property
    def status(self) -> int:
        """Of HTTP, for its error. A model may name one for a failure of its own; what is none is ignored."""
        said = self.meta.get("status", "")
        if self.fault is Fault.MODEL and _NAMED.fullmatch(said):
            return int(said)
        return STATUSES[self.fault]
