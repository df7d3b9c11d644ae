"""config.pbtxt of a Triton repository: what is used of it, and the JSON that a Python model is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter
from headrace.runners.harness.adapters.pbtxt import Reader, as_list
from headrace.runners.harness.adapters.triton_reshape import Reshape
from headrace.runners.harness.tensors import Spec


class Config:
    def __init__(self, folder: Path) -> None:
        """Without a config.pbtxt the model says by itself what its tensors are."""
        file = folder / "config.pbtxt"
        self.complete = file.is_file()
        self.text = file.read_text() if self.complete else ""
        said = Reader(self.text).message()
        self._said, self._folder = said, folder
        self.named: str = said.get("name") or ""
        self.name: str = self.named or folder.name
        self.platform: str = said.get("platform") or said.get("backend") or ""
        self.backend: str = said.get("backend") or ""
        self.max_batch_size: int = said.get("max_batch_size") or 0
        self.decoupled = bool((said.get("model_transaction_policy") or {}).get("decoupled"))
        self.cached = (said.get("response_cache") or {}).get("enable") is True
        self.warmup = said.get("model_warmup")
        self.sequence_batching: dict[str, Any] | None = said.get("sequence_batching")
        self.ensemble_scheduling: dict[str, Any] | None = said.get("ensemble_scheduling")
        self.iterative = _iterative(self.sequence_batching or {})
        self.tensors = {key: [dict(one) for one in as_list(said.get(key))] for key in ("input", "output")}

    def specs(self, key: str) -> tuple[Spec, ...]:
        """`input` or `output`, with the batch in front."""
        batch = (-1,) if self.max_batch_size else ()
        return tuple(
            Spec(
                one["name"],
                datatype(str(one.get("data_type"))),
                (*batch, *map(int, as_list(one.get("dims")))),
                one.get("optional") is True,
            )
            for one in self.tensors[key]
        )

    def labels(self) -> dict[str, list[str]]:
        found = {}
        for one in self.tensors["output"]:
            path = self._folder / str(one.get("label_filename") or "")
            if path.is_file():
                found[one["name"]] = path.read_text().splitlines()
        return found

    @property
    def reshapes(self) -> dict[str, Reshape]:
        """Of inputs and outputs that the model sees in another shape."""
        return {
            str(one["name"]): Reshape(_sizes(one.get("dims")), _sizes(one["reshape"].get("shape")))
            for one in (*self.tensors["input"], *self.tensors["output"])
            if isinstance(one.get("reshape"), dict)
        }

    def as_json(self) -> dict[str, Any]:
        """As Triton writes it for a Python model."""
        parameters = {
            one["key"]: {"string_value": str((one.get("value") or {}).get("string_value", ""))}
            for one in as_list(self._said.get("parameters"))
        }
        return {
            **self._said,
            "name": self.name,
            "platform": self._said.get("platform", ""),
            "backend": self._said.get("backend", ""),
            "max_batch_size": self.max_batch_size,
            "input": [_tensor(one) for one in self.tensors["input"]],
            "output": [_tensor(one) for one in self.tensors["output"]],
            "instance_group": as_list(self._said.get("instance_group")),
            "parameters": parameters,
            "model_transaction_policy": {"decoupled": self.decoupled},
        }


class Configured(Adapter):
    """What the config says, for each of the backends."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.platform = config.platform
        self.max_batch_size = config.max_batch_size
        self.inputs, self.outputs = config.specs("input"), config.specs("output")
        self.labels, self.cached = config.labels(), config.cached


def _iterative(said: dict[str, Any]) -> bool:
    """Whether each request is a sequence of its own, which the model goes through by rescheduling it."""
    if said.get("iterative_sequence") is not True:
        return False
    if more := sorted({"control_input", "state"} & said.keys()):
        raise TypeError(f"sequence_batching: iterative_sequence together with {more[0]} is not supported")
    return True


def _sizes(said: Any) -> tuple[int, ...]:
    return tuple(map(int, as_list(said)))


def datatype(name: str) -> str:
    plain = name.removeprefix("TYPE_")
    return "BYTES" if plain == "STRING" else plain


def _tensor(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "dims": [int(size) for size in as_list(one.get("dims"))]}
