"""What models measure by themselves, as it comes from a replica: series of Prometheus. Not to be trusted."""

from itertools import pairwise
from typing import Annotated, Literal

import msgspec

OURS = ("headrace_", "nv_", "process_", "request_predict_")  # names that models may not use
LARGEST = 2 << 20  # bytes of one frame

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*\Z", max_length=200)]
_Label = Annotated[str, msgspec.Meta(pattern=r"^(?!__|le\Z)[a-zA-Z_][a-zA-Z0-9_]*\Z", max_length=200)]
_Value = Annotated[str, msgspec.Meta(max_length=256)]
_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class Series(msgspec.Struct, frozen=True, array_like=True):
    """`value` of a histogram is the sum of what was observed; `counts` has one number more than `bounds`.

    All others have neither.
    """

    name: _Name
    kind: Literal["counter", "gauge", "histogram"]
    help: Annotated[str, msgspec.Meta(max_length=1_000)]
    labels: Annotated[tuple[tuple[_Label, _Value], ...], msgspec.Meta(max_length=16)]
    value: float | None  # None: no finite number
    bounds: Annotated[tuple[float, ...], msgspec.Meta(max_length=100)] = ()
    counts: Annotated[tuple[_Count, ...], msgspec.Meta(max_length=101)] = ()

    def __post_init__(self) -> None:
        """Raises ValueError, which makes it one of msgspec's."""
        if self.name.startswith(OURS):
            raise ValueError("a name of our own")
        if len({label for label, _ in self.labels}) < len(self.labels):
            raise ValueError("a label stands twice")
        buckets = (len(self.bounds), len(self.bounds) + 1) if self.kind == "histogram" else (0, 0)
        if (len(self.bounds), len(self.counts)) != buckets:
            raise ValueError("its buckets do not fit")
        if any(low >= high for low, high in pairwise(self.bounds)):
            raise ValueError("its buckets are not in order")


read = msgspec.json.Decoder(list[Series]).decode
