"""What a model says about its tensors: the metadata of the Open Inference Protocol. No tensor is ever decoded here."""

from dataclasses import dataclass

DATATYPES = frozenset(
    {
        "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
        "FP16", "BF16", "FP32", "FP64", "BYTES",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. A dimension of -1 takes any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: tuple[tuple[str, str], ...] = ()  # what else the model says of it


@dataclass(frozen=True, slots=True)
class TensorModel:
    """`inputs` empty: the model declares none and takes what it is given.

    With `max_batch_size` > 0 the first dimension of every tensor is the batch, and shapes here include it as -1.
    """

    platform: str
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    max_batch_size: int = 0
    parameters: tuple[tuple[str, str], ...] = ()
    streams: str = ""  # "": one answer to a request; "also": any number to those who ask for that; "only": to everybody
    sequences: int = 0  # microseconds after which an idle sequence ends, for models that declare sequences
    config: str = ""  # the text of its config.pbtxt, where it has one
    cached: bool = False  # it always answers the same to the same: answers may be kept
    routes: tuple[tuple[str, str], ...] = ()  # methods and paths of HTTP that the model answers by itself: route.py
