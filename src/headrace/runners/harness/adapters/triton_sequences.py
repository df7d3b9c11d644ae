"""Sequences as a config.pbtxt declares them: who may begin, which control tensors a model is given, what it remembers.

All requests of a sequence come to this process, one after the other: the server sees to that.
"""

from __future__ import annotations

import time
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked, Given, Taker
from headrace.runners.harness.adapters.pbtxt import as_list
from headrace.runners.harness.arrays import DTYPES, np
from headrace.runners.harness.tensors import Refused

IDLE = 60_000_000  # microseconds after which an idle sequence ends, where the config does not say
MOST = 10_000  # sequences at once
FIRST_KIND = "CONTROL_SEQUENCE_START"  # what is meant where none is named, as in all of protobuf
KINDS = {
    "CONTROL_SEQUENCE_START": "start",
    "CONTROL_SEQUENCE_END": "end",
    "CONTROL_SEQUENCE_READY": "ready",
    "CONTROL_SEQUENCE_CORRID": "id",
}
CHOICES = {"int32_false_true": "i4", "fp32_false_true": "f4", "bool_false_true": "?"}

Arrays = dict[str, Any]


class InSequence(Adapter):
    """A model behind its sequence batcher. Answers as the model does, and refuses what the batcher refuses."""

    def __init__(self, model: Adapter, said: dict[str, Any]) -> None:
        self._model = model
        self.platform, self.strict, self.inputs, self.outputs = (
            model.platform,
            model.strict,
            model.inputs,
            model.outputs,
        )
        self.max_batch_size, self.streams, self.labels = model.max_batch_size, model.streams, model.labels
        self.sequences = int(said.get("max_sequence_idle_microseconds") or IDLE)
        self._controls = [
            (str(one["name"]), control)
            for one in as_list(said.get("control_input"))
            for control in as_list(one.get("control"))
        ]
        self._states = [dict(one) for one in as_list(said.get("state"))]
        self._live: dict[int | str, tuple[float, Arrays]] = {}  # last used, what is remembered; oldest first

    def run(self, arrays: Arrays, asked: Asked) -> Arrays | Given:
        one = self._identifier(asked)
        kept = self._admit(one, arrays, asked)
        try:
            given = self._model.run({**arrays, **self._given(one, asked), **kept}, self._all(asked))
            return self._keep(given, kept, asked)
        finally:
            self._leave(one, kept, asked)

    def stream(self, arrays: Arrays, asked: Asked, taker: Taker) -> None:
        one = self._identifier(asked)
        kept = self._admit(one, arrays, asked)
        try:
            self._model.stream({**arrays, **self._given(one, asked), **kept}, asked, taker)
        finally:
            self._leave(one, kept, asked)

    def _identifier(self, asked: Asked) -> int | str:
        """Raises Refused."""
        one = asked.parameters.get("sequence_id", 0)
        if isinstance(one, bool) or not isinstance(one, (int, str)) or not one:
            raise Refused(
                f"inference request to model '{asked.model}' must specify a non-zero or non-empty correlation ID"
            )
        return one

    def _admit(self, one: int | str, arrays: Arrays, asked: Asked) -> Arrays:
        """What is remembered of the sequence. Raises Refused."""
        now = time.monotonic()
        while self._live and next(iter(self._live.values()))[0] < now - self.sequences / 1e6:
            del self._live[next(iter(self._live))]
        if self.max_batch_size and any(array.shape[:1] != (1,) for array in arrays.values()):
            raise Refused(
                f"inference request to model '{asked.model}' must specify batch-size 1 due to requirements of sequence "
                "batcher"
            )
        if asked.parameters.get("sequence_start") is True:
            self._live.pop(one, None)
            if len(self._live) >= MOST:
                raise Refused(f"model '{asked.model}' has {MOST} sequences already: end some of them")
            return {str(state["input_name"]): self._first(state) for state in self._states}
        if one not in self._live:
            raise Refused(
                f"inference request for sequence {one} to model '{asked.model}' must specify the START flag on the "
                "first request of the sequence"
            )
        return self._live.pop(one)[1]

    def _leave(self, one: int | str, kept: Arrays, asked: Asked) -> None:
        if asked.parameters.get("sequence_end") is not True:
            self._live[one] = (time.monotonic(), kept)

    def _all(self, asked: Asked) -> Asked:
        """The model must give what is to be remembered, too."""
        return asked._replace(outputs=None) if self._states else asked

    def _keep(self, given: Arrays | Given, kept: Arrays, asked: Asked) -> Arrays | Given:
        if not self._states:
            return given
        outputs = dict(given.outputs if isinstance(given, Given) else given)
        for state in self._states:
            if state["output_name"] in outputs:
                kept[str(state["input_name"])] = outputs[state["output_name"]]
                if state["output_name"] not in (asked.outputs or ()):
                    del outputs[state["output_name"]]
        return given._replace(outputs=outputs) if isinstance(given, Given) else outputs

    def _given(self, one: int | str, asked: Asked) -> Arrays:
        """The control tensors."""
        shape = (1, 1) if self.max_batch_size else (1,)
        flags = {
            "start": asked.parameters.get("sequence_start") is True,
            "end": asked.parameters.get("sequence_end") is True,
            "ready": True,
        }
        return {name: _control(control, flags, one).reshape(shape) for name, control in self._controls}

    def _first(self, state: dict[str, Any]) -> Any:
        """Zeros. Dimensions that are open have one element."""
        sizes = [1 if (size := int(dim)) < 0 else size for dim in as_list(state.get("dims"))]
        dtype = DTYPES.get(_plain(state.get("data_type")))
        return np.zeros([1, *sizes] if self.max_batch_size else sizes, np.object_ if dtype is None else dtype)


def _control(control: dict[str, Any], flags: dict[str, bool], one: int | str) -> Any:
    kind = KINDS.get(str(control.get("kind", FIRST_KIND)), "")
    if kind == "id":
        datatype = _plain(control.get("data_type"))
        if datatype == "STRING":
            return np.array([str(one).encode()], np.object_)
        return np.array([one if isinstance(one, int) else 0]).astype(DTYPES.get(datatype, "u8"))
    for name, dtype in CHOICES.items():
        if name in control:
            values = as_list(control[name])
            return np.array([values[1] if flags.get(kind) else values[0]], dtype)
    raise TypeError(f"sequence_batching: the control {kind or control!r} has no values")


def _plain(name: Any) -> str:
    return str(name).removeprefix("TYPE_")
