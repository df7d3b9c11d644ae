"""The steps of an ensemble as a graph: what flows from where to where, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from headrace.runners.harness.adapters.pbtxt import as_list
from headrace.runners.harness.tensors import Spec

LATEST = -1


class Step(NamedTuple):
    """`reads` and `gives`: tensors of the ensemble by the names that the model has for them."""

    number: int
    model: str
    version: str  # "": the latest
    reads: dict[str, str]
    gives: dict[str, str]

    def __str__(self) -> str:
        return f"step {self.number} (model '{self.model}')"


class Wrong(TypeError):
    """It cannot be run: the message says which step is at fault."""


About = Callable[[str, str], "Mapping[str, Any] | None"]


def read(said: Any) -> list[Step]:
    """Of `ensemble_scheduling`. Raises Wrong."""
    steps = [_step(number, one) for number, one in enumerate(as_list((said or {}).get("step")), 1)]
    if not steps:
        raise Wrong("ensemble_scheduling has no steps")
    return steps


def check(steps: list[Step], inputs: Iterable[Spec], outputs: Iterable[Spec]) -> None:
    """Whether every tensor comes from one place and is used. Raises Wrong."""
    given, wanted = {spec.name for spec in inputs}, {spec.name for spec in outputs}
    made = _made(steps, given)
    read_somewhere = {tensor for step in steps for tensor in step.reads.values()}
    for tensor in sorted(wanted - made):
        raise Wrong(f"no step gives the output '{tensor}'")
    for tensor in sorted(given - read_somewhere):
        raise Wrong(f"no step reads the input '{tensor}'")
    for step in steps:
        for tensor in set(step.reads.values()) - given - made:
            raise Wrong(f"{step} reads the tensor '{tensor}', which is no input of the ensemble and no step gives")
        if not set(step.gives.values()) & (wanted | read_somewhere):
            raise Wrong(f"nothing that {step} gives is used")
    _no_circle(steps, given)


def check_models(steps: list[Step], about: About, specs: Iterable[Spec], max_batch_size: int) -> None:
    """Against what the models say of themselves; a model that says nothing takes what it is given. Raises Wrong."""
    known = {spec.name: (spec.datatype, "the ensemble") for spec in specs}
    for step in steps:
        said = about(step.model, step.version)
        if said is None:
            continue
        if said["streams"] == "only":
            raise Wrong(f"{step} gives any number of responses: that cannot be part of an ensemble here")
        if said["max_batch_size"] < max_batch_size:
            raise Wrong(f"{step} takes batches of {said['max_batch_size']} at most, and the ensemble {max_batch_size}")
        _check_tensors(step, "inputs", step.reads, said, known)
        _check_tensors(step, "outputs", step.gives, said, known)


def _check_tensors(
    step: Step, kind: str, named: Mapping[str, str], said: Mapping[str, Any], known: dict[str, tuple[str, str]]
) -> None:
    """`known`: the datatype of each tensor, and who says so."""
    theirs = {one["name"]: one["datatype"] for one in said[kind]}
    for name, tensor in named.items() if theirs else ():
        if name not in theirs:
            raise Wrong(f"{step} has no '{name}' among its {kind}: {', '.join(theirs)}")
        before, who = known.setdefault(tensor, (theirs[name], str(step)))
        if before != theirs[name]:
            raise Wrong(f"the tensor '{tensor}' is {theirs[name]} for {step} and {before} for {who}")


def _made(steps: list[Step], given: set[str]) -> set[str]:
    """What the steps give, each tensor once. Raises Wrong."""
    makers: dict[str, str] = dict.fromkeys(given, "an input of the ensemble")
    for step in steps:
        for tensor in step.gives.values():
            if tensor in makers:
                raise Wrong(f"{step} gives the tensor '{tensor}', which is given by {makers[tensor]} already")
            makers[tensor] = str(step)
    return makers.keys() - given


def needed(steps: list[Step], wanted: Iterable[str]) -> list[Step]:
    """Those without which these tensors are not there."""
    missing, found = set(wanted), set[int]()
    while True:
        more = [one for one in steps if one.number not in found and missing & set(one.gives.values())]
        if not more:
            return [one for one in steps if one.number in found]
        for step in more:
            found.add(step.number)
            missing |= set(step.reads.values())


def _step(number: int, said: Mapping[str, Any]) -> Step:
    version = int(said.get("model_version", LATEST))
    step = Step(
        number,
        str(said.get("model_name") or ""),
        "" if version == LATEST else str(version),
        _named(said.get("input_map")),
        _named(said.get("output_map")),
    )
    if not step.model or not step.gives:
        raise Wrong(f"{step} should have a model_name and an output_map")
    return step


def _named(said: Any) -> dict[str, str]:
    return {str(one["key"]): str(one["value"]) for one in as_list(said)}


def _no_circle(steps: list[Step], given: set[str]) -> None:
    there, left = set(given), list(steps)
    while left:
        ready = [step for step in left if there.issuperset(step.reads.values())]
        if not ready:
            raise Wrong(f"the steps wait for each other in a circle: {', '.join(map(str, left))}")
        for step in ready:
            there |= set(step.gives.values())
            left.remove(step)
