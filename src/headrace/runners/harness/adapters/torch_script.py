"""TorchScript files of a Triton repository. Which tensor is which argument, their names say, as in Triton."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Asked
from headrace.runners.harness.adapters.blame import blaming_the_request
from headrace.runners.harness.adapters.triton_config import Config, Configured
from headrace.runners.harness.tensors import Refused

_NUMBERED = re.compile(r".+__(\d+)")


class TorchScript(Configured):
    def __init__(self, path: Path, config: Config) -> None:
        super().__init__(config)
        self._torch_export: Any = importlib.import_module(f"{__package__}.torch_export")
        self._torch = self._torch_export.start_torch()
        self._model = self._torch.jit.load(str(path), map_location="cpu").eval()
        arguments = [one.name for one in self._model.forward.schema.arguments][1:]  # the first is the model itself
        ways = places([one.name for one in self.inputs], arguments)
        self._arguments = [spec for _, spec in sorted(zip(ways, self.inputs, strict=True))]
        self._places = places([one.name for one in self.outputs])

    def run(self, arrays: dict[str, Any], _asked: Asked) -> dict[str, Any]:
        given = [spec for spec in self._arguments if spec.name in arrays]
        if given != self._arguments[: len(given)]:
            raise Refused(f"only the last of the inputs {[one.name for one in self._arguments]} may be left out")
        tensors = [self._torch_export.to_torch(self._torch, arrays[one.name], one.datatype) for one in given]
        with self._torch.inference_mode(), blaming_the_request(RuntimeError, ValueError, IndexError):
            returned = self._model(*tensors)
        listed = returned if isinstance(returned, (list, tuple)) else [returned]
        if len(listed) <= max(self._places):
            raise TypeError(
                f"the model returned {len(listed)} tensors, and config.pbtxt has output {max(self._places)}"
            )
        return {
            spec.name: self._torch_export.from_torch(self._torch, listed[place])
            for spec, place in zip(self.outputs, self._places, strict=True)
        }


def places(names: Sequence[str], arguments: Sequence[str] = ()) -> list[int]:
    """By the arguments of these names, by the numbers behind __, or as they stand in the config. Raises TypeError."""
    if arguments and set(names) <= set(arguments):
        return [arguments.index(name) for name in names]
    numbers = [int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name))]
    if not numbers:
        return list(range(len(names)))
    if len(set(numbers)) < len(names):
        raise TypeError(f"config.pbtxt: each of {list(names)} should end with a number of its own (INPUT__0), or none")
    return numbers
