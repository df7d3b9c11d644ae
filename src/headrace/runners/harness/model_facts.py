"""What is known of the loaded model: its name in answers, its tensors. And whether a request agrees with that."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from headrace.runners.harness.loose import loosen
from headrace.runners.harness.tensors import DATATYPES, Input, Refused, Request, Spec, count_of, flatten

BATCHING_NOTE = (
    " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each "
    "input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting "
    "max_batch_size to zero. See the model configuration docs for more info on max_batch_size."
)

LONGEST_CONFIG = 1 << 20  # characters
NOTHING: Mapping[str, str] = MappingProxyType({})


class Declared(Protocol):
    """What an adapter says of its model."""

    platform: str
    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    max_batch_size: int
    strict: bool
    loose: bool
    rows: int
    streams: str
    sequences: int
    cached: bool
    configuration: str


def _told(one: Spec) -> dict[str, Any]:
    said = {"name": one.name, "datatype": one.datatype, "shape": one.shape}
    return said | {"parameters": list(one.parameters.items())} if one.parameters else said


class Facts:
    def __init__(self, name: str, version: str, said: Declared) -> None:
        self.name, self.version, self.platform = name or "model", version, said.platform
        self.inputs, self.outputs, self.max_batch_size = said.inputs, said.outputs, said.max_batch_size
        self.configuration = said.configuration if len(said.configuration) <= LONGEST_CONFIG else ""
        self.streams, self.sequences = said.streams, said.sequences
        self.cached = said.cached and said.streams != "only" and not said.sequences
        self.loose = said.loose
        self.strict, self.rows = said.strict, 0 if said.sequences else said.max_batch_size or said.rows
        self._specs = {spec.name: spec for spec in said.inputs} if said.strict else {}
        self._required = sum(not spec.optional for spec in said.inputs)
        self.output_types = {spec.name: spec.datatype for spec in said.outputs}

    def told(self) -> dict[str, Any]:
        """As it is sent in the READY frame."""
        return {
            "platform": self.platform,
            "inputs": [_told(one) for one in self.inputs],
            "outputs": [_told(one) for one in self.outputs],
            "max_batch_size": self.max_batch_size,
            "streams": self.streams,
            "sequences": self.sequences,
            "cached": self.cached,
            **({"config": self.configuration} if self.configuration else {}),
        }

    def check(self, request: Request, meta: Mapping[str, str] = NOTHING) -> None:
        """Raises Refused with Triton's texts. Data in lists are flat afterwards.

        `meta`: of the question. An id is told that the caller gave, not one that the server made for him.
        """
        words = request.words
        if words is not None and words.good and words.fits(request.inputs[0].data):
            return
        try:
            if self.loose:
                loosen(request)
            self._check(request)
            if words is not None and not (self.loose and words.first.inputs[0].datatype == "BYTES"):
                words.good = True
        except Refused as error:
            made = request.id == meta.get("id") and "named" not in meta
            known = request.id_given and not made
            raise Refused(f"[request id: {request.id}] {error}" if known else str(error), error.kind) from None

    def _check(self, request: Request) -> None:
        if self._specs:
            self._check_names(request)
        batch = -1
        for one in request.inputs:
            check_data(one, self.name)
            if self._specs:
                self._check_spec(one)
            if self.max_batch_size:
                batch = self._check_batch(one, batch)
        if request.outputs is not None and self.output_types:
            for wanted in request.outputs:
                if wanted.name not in self.output_types:
                    raise Refused(f"unexpected inference output '{wanted.name}' for model '{self.name}'")

    def _check_names(self, request: Request) -> None:
        inputs, specs = request.inputs, self._specs
        if len(inputs) == len(specs):
            for one in inputs:
                if one.name not in specs:
                    raise Refused(f"unexpected inference input '{one.name}' for model '{self.name}'")
            return
        given = [one.name for one in inputs]
        missing = [name for name, spec in specs.items() if name not in given and not spec.optional]
        extra = [name for name in given if name not in specs]
        if not missing and not extra:
            return
        least = str(self._required) if self._required == len(specs) else f"{self._required} to {len(specs)}"
        sentence = f"expected {least} inputs but got {len(given)} inputs for model '{self.name}'. Got input(s) {given}"
        if missing:
            sentence += f", but missing required input(s) {missing}. Please provide all required input(s)."
        else:
            sentence += f", but the model does not know {extra}."
        raise Refused(sentence)

    def _check_spec(self, one: Input) -> None:
        spec = self._specs[one.name]
        if one.datatype != spec.datatype:
            raise Refused(
                f"inference input '{one.name}' data-type is '{one.datatype}', but model '{self.name}' expects "
                f"'{spec.datatype}'"
            )
        shape, expected = one.shape, spec.shape
        if len(shape) == len(expected):
            for size, wanted in zip(shape, expected, strict=True):
                if size != wanted and wanted >= 0:
                    break
            else:
                return
        note = BATCHING_NOTE if self.max_batch_size else ""
        raise Refused(
            f"unexpected shape for input '{one.name}' for model '{self.name}'. Expected {_text(expected)}, got "
            f"{_text(shape)}.{note}"
        )

    def _check_batch(self, one: Input, batch: int) -> int:
        size = one.shape[0] if one.shape else 0
        if size > self.max_batch_size:
            raise Refused(f"inference request batch-size must be <= {self.max_batch_size} for '{self.name}'")
        if size < 1:
            raise Refused(f"input '{one.name}' has no batch dimension of at least 1 for '{self.name}'")
        if batch not in (-1, size):
            raise Refused(f"input '{one.name}' batch size does not match other inputs for '{self.name}'")
        return size


def check_data(one: Input, model: str) -> None:
    """Whether the data are as many as the shape says."""
    data, count = one.data, count_of(one.name, one.shape)
    if type(data) is list:
        if data and type(data[0]) is list:
            data = one.data = flatten(data)
        if len(data) != count:
            raise Refused("Unable to parse 'data': Shape does not match true shape of 'data' field")
        return
    size = DATATYPES[one.datatype][0]
    if size and len(data) != size * count:
        raise Refused(
            f"input byte size mismatch for input '{one.name}' for model '{model}'. Expected {size * count}, got "
            f"{len(data)}"
        )


def _text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
