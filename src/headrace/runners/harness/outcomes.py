"""The heads of answers: what became of a question, and when. Without numpy: models that take files have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.runners.harness.failures import clean, fault, message, sentence
from headrace.runners.harness.questions import FILES, Asked
from headrace.runners.harness.tensors import Refused


def answered(
    times: tuple[int, int, float], names: list[tuple[str, int]], meta: Mapping[str, str], *, more: bool = False
) -> tuple[Any, ...]:
    """`more`: further answers to the same question follow."""
    if not meta and not more:
        return (*times, None, names)
    said = {key: clean(value) for key, value in meta.items()}
    return (*times, None, names, "model", said, True) if more else (*times, None, names, "model", said)


def failed(
    failure: BaseException, times: tuple[int, int, float], asked: Asked, name: str
) -> tuple[tuple[Any, ...], list[bytes]]:
    """`name`: the model's own, where the caller may know it by another one."""
    whose, meta = fault(failure)
    if not isinstance(failure, Refused):
        said = sentence(failure) if asked.form == FILES else message(failure)
        return (*times, said, [], whose, meta), []
    said, shown = sentence(failure), asked.meta.get("model", name)
    return (*times, said if shown == name else clean(said.replace(f"'{name}'", f"'{shown}'")), [], whose, meta), []
