"""What a version is tried with: the test files that were given, and zeros for declared tensors that got none. Pure.

A model that takes tensors needs no test file, as it needs none where it comes from. Where it declares its tensors it is
asked with zeros; where it declares none and nothing is given, that it has loaded is the whole test. A model that takes
files is tried with files of somebody's.
"""

import json
from collections.abc import Callable, Mapping

from headrace.deployment import zeros
from headrace.deployment.zeros import REQUEST
from headrace.domain.body import Body
from headrace.domain.errors import Invalid
from headrace.domain.tensor import TensorModel
from headrace.domain.version import Version
from headrace.inference.validate import is_request

MOST = 64 << 20  # bytes of zeros, which nobody gave


def completed(version: Version, given: Mapping[str, Body]) -> dict[str, Body]:
    """By input name. Raises Invalid for a request that is none, and for more zeros than anybody should make."""
    return _with_zeros(version, given, zeros.completed)


def planned(version: Version, given: Mapping[str, Body]) -> dict[str, Body]:
    """The same names and sizes, before anything is made. Raises the same."""
    return _with_zeros(version, given, zeros.planned)


def _with_zeros(
    version: Version,
    given: Mapping[str, Body],
    zeros_for: Callable[[TensorModel, Mapping[str, Body], int], dict[str, Body]],
) -> dict[str, Body]:
    tensors = version.tensors
    names = () if tensors is None else tuple(spec.name for spec in tensors.inputs)
    if REQUEST in given and REQUEST not in names and tensors is not None:
        _check_request(given[REQUEST])
    if tensors is None or not names or is_request(version, given):
        return dict(given)
    return zeros_for(tensors, given, MOST)


def untried(version: Version, bodies: Mapping[str, Body]) -> bool:
    """Whether there is nothing to ask: a model that takes tensors and does not say which."""
    return version.tensors is not None and not version.inputs and not bodies


def _check_request(body: Body) -> None:
    """A body that is stored is not opened here: the replica sees what it is."""
    if not isinstance(body, bytes):
        return
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Invalid(f"the test file {REQUEST} is not JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("inputs"), list):
        raise Invalid(f"the test file {REQUEST} is not an Open Inference request: it has no list `inputs`")
