"""REST requests whose tensors lie in shared memory: binary on the way in, written to their places on the way out.

Only the JSON is read, and of that only what stands around the tensors: values stay as they were written.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from headrace.api.regions import Regions
from headrace.domain.errors import Invalid, TooLarge
from headrace.domain.question import Answer, Output

REGION = b'"shared_memory_region"'
KEYS = ("shared_memory_region", "shared_memory_byte_size", "shared_memory_offset")
OCTETS, JSON = "application/octet-stream", "application/json"

Raw = dict[str, msgspec.Raw]


class _Tensor(msgspec.Struct):
    """The keys of a tensor that matter here; the others are kept in `Raw`."""

    name: str = ""
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an output is to be written."""

    region: str
    offset: int
    byte_size: int

    @property
    def parameters(self) -> dict[str, Any]:
        said: dict[str, Any] = {KEYS[0]: self.region, KEYS[1]: self.byte_size}
        return said | {KEYS[2]: self.offset} if self.offset else said


@dataclass(frozen=True, slots=True)
class Places:
    team: str
    of: Mapping[str, Place]  # by output name


def place_of(parameters: Mapping[str, Any]) -> Place | None:
    """Raises Invalid."""
    region, size, offset = (parameters.get(key, otherwise) for key, otherwise in zip(KEYS, (None, 0, 0), strict=True))
    if region is None:
        return None
    whole = all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in (size, offset))
    if not isinstance(region, str) or not whole:
        raise Invalid("shared memory is named by a text and two whole numbers: region, byte size and offset")
    return Place(region, offset, size)


def check_size(size: int, limit: int) -> None:
    """Raises TooLarge."""
    if size > limit:
        raise TooLarge(f"the request has more than the {limit} bytes allowed here, with its tensors in shared memory")


class Sharing:
    """A request has at most `limit` bytes, with its tensors in shared memory."""

    def __init__(self, regions: Regions, limit: int) -> None:
        self._regions, self._limit = regions, limit

    async def take(
        self, team: str, body: bytes, meta: Mapping[str, str], hold: Callable[[int], None]
    ) -> tuple[bytes, dict[str, str], Places]:
        """The request with its tensors in it.

        Raises Invalid, NotFound, TooLarge, and what `hold` raises, which is asked for room before they are read.
        """
        length = len(body) if "json" not in meta else max(0, min(len(body), int(meta["json"])))
        head, rest = _object(body[:length]), memoryview(body)[length:]
        parts: list[bytes | memoryview] = []
        inputs: list[Raw] = []
        size = len(body)
        for one in _listed(head, "inputs"):
            tensor, parameters = one, _tensor(one).parameters or {}
            if (place := place_of(parameters)) is not None:
                size += place.byte_size
                check_size(size, self._limit)
                hold(place.byte_size)
                data = await self._regions.get(team, place.region).read(place.offset, place.byte_size)
                tensor = _changed(one, {"binary_data_size": len(data)}, parameters)
                parts.append(data)
            elif isinstance(given := parameters.get("binary_data_size"), int):
                parts.append(rest[: max(0, given)])
                rest = rest[max(0, given) :]
            inputs.append(tensor)
        outputs, places = self._wanted(team, head)
        changed = {**head, "inputs": _raw(inputs), **({"outputs": _raw(outputs)} if outputs else {})}
        text = msgspec.json.encode(changed)
        return b"".join([text, *parts, rest]), {**meta, "json": str(len(text))}, Places(team, places)

    def _wanted(self, team: str, head: Raw) -> tuple[list[Raw], dict[str, Place]]:
        outputs, places = [], {}
        for one in _listed(head, "outputs"):
            found = _tensor(one)
            parameters = found.parameters or {}
            place = place_of(parameters)
            if place is not None:
                self._regions.get(team, place.region)
                places[found.name] = place
            outputs.append(one if place is None else _changed(one, {"binary_data": True}, parameters))
        return outputs, places

    async def give(self, answer: Answer, places: Places) -> Answer:
        """The answer without those outputs that were written to their places. Raises Invalid, NotFound."""
        output = answer.outputs.get("")
        if answer.error is not None or output is None or not places.of:
            return answer
        body = output.body
        if not isinstance(body, bytes) or "json" not in answer.meta:
            raise Invalid("the model's answer cannot be put into shared memory")
        length = int(answer.meta["json"])
        head, rest = _object(body[:length]), memoryview(body)[length:]
        kept: list[bytes | memoryview] = []
        outputs: list[Raw] = []
        for one in _listed(head, "outputs"):
            found = _tensor(one)
            parameters = found.parameters or {}
            size = parameters.get("binary_data_size", 0)
            data, rest = rest[:size], rest[size:]
            if (place := places.of.get(found.name)) is None:
                kept.append(data)
                outputs.append(one)
                continue
            await self.write(places.team, found.name, place, data)
            outputs.append(_changed(one, replace(place, byte_size=len(data)).parameters, parameters))
        return _answer(answer, msgspec.json.encode({**head, "outputs": _raw(outputs)}), b"".join(kept))

    async def write(self, team: str, name: str, place: Place, data: bytes | memoryview) -> None:
        if len(data) > place.byte_size:
            raise Invalid(
                f"shared memory size specified with the request for output '{name}' ({place.byte_size} bytes) should "
                f"be at least {len(data)} bytes to hold the results"
            )
        await self._regions.get(team, place.region).write(place.offset, data)


def _answer(answer: Answer, text: bytes, rest: bytes) -> Answer:
    meta = {key: value for key, value in answer.meta.items() if key != "json"}
    if rest:
        return msgspec.structs.replace(
            answer, outputs={"": Output(text + rest, OCTETS)}, meta={**meta, "json": str(len(text))}
        )
    return msgspec.structs.replace(answer, outputs={"": Output(text, JSON)}, meta=meta)


def _object(text: bytes) -> Raw:
    try:
        return msgspec.json.decode(text, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"failed to parse the request JSON buffer: {error}") from None


def _listed(head: Raw, key: str) -> list[Raw]:
    if key not in head:
        return []
    try:
        return msgspec.json.decode(head[key], type=list[Raw] | None) or []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"Unable to parse '{key}': {error}") from None


def _tensor(one: Raw) -> _Tensor:
    try:
        return msgspec.convert(
            {key: msgspec.json.decode(one[key]) for key in ("name", "parameters") if key in one}, type=_Tensor
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"Unable to parse a tensor's name or parameters: {error}") from None


def _changed(one: Raw, more: Mapping[str, Any], before: Mapping[str, Any]) -> Raw:
    """A tensor with other parameters."""
    left_out = {*KEYS, "binary_data", "binary_data_size"}
    parameters = {key: value for key, value in before.items() if key not in left_out} | dict(more)
    return {**one, "parameters": _raw(parameters)}


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
