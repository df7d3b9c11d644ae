"""What clients send, drawn by a seed: small and large jobs, errors, slow ones; and what the model must answer."""

import base64
import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

LARGE = 70_000  # bytes: more than a row takes, so it becomes a blob
DIED = "process ended"  # what is said of an input whose model ends its own process, again and again
SLEEP = 0.02  # seconds of a slow input
PATIENT = 600_000  # milliseconds: a job with this timeout must not time out, whatever the clock does


@dataclass(frozen=True, slots=True)
class Expected:
    """Of one input: the digest of its content, or the words that the failure must hold."""

    digest: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    name: str
    body: bytes

    @property
    def expected(self) -> Expected:
        if self.body == b"die":
            return Expected(failure=DIED)
        if self.body.startswith(b"fail "):
            return Expected(failure=self.body.decode().partition(" ")[2])
        return Expected(hashlib.sha256(self.body).hexdigest())


class Fate(StrEnum):
    """What a job's client does after it was submitted."""

    WAIT = "wait"
    CANCEL = "cancel"
    TIMEOUT = "timeout"
    LEAVE = "leave"  # looks at it only at the end


class Form(StrEnum):
    TEXT = "text"
    EMBEDDED = "embedded"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Order:
    """A job that a client wants, before anybody has agreed to it."""

    number: str
    form: Form
    fate: Fate
    inputs: tuple[Input, ...]
    wrong: tuple[str, ...] = ()  # names of inputs that lack their file and are refused
    timeout: int = 0  # milliseconds


def draw(dice: random.Random, number: str) -> Order:
    kind = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    return _ORDERS[kind](dice, number)


def _small(dice: random.Random, number: str) -> Order:
    timeout = dice.choice([0, 0, PATIENT])
    return Order(number, Form.TEXT, Fate.WAIT, _inputs(dice, dice.randint(1, 5)), timeout=timeout)


def _middle(dice: random.Random, number: str) -> Order:
    return Order(number, Form.TEXT, dice.choice([Fate.WAIT, Fate.LEAVE]), _inputs(dice, dice.randint(30, 150)))


def _large(dice: random.Random, number: str) -> Order:
    return Order(number, Form.EMBEDDED, Fate.WAIT, _inputs(dice, dice.randint(1, 3), LARGE))


def _files(dice: random.Random, number: str) -> Order:
    size = dice.choice([200, 2_000, LARGE])
    return Order(number, Form.FILES, dice.choice([Fate.WAIT, Fate.LEAVE]), _inputs(dice, 2, size))


def _cancelled(dice: random.Random, number: str) -> Order:
    return Order(number, Form.TEXT, Fate.CANCEL, _inputs(dice, dice.randint(2, 60), slow=True))


def _late(dice: random.Random, number: str) -> Order:
    inputs = _inputs(dice, dice.randint(10, 40), slow=True)
    return Order(number, Form.TEXT, Fate.TIMEOUT, inputs, timeout=dice.choice([100, 300, 600]))


def _patient(dice: random.Random, number: str) -> Order:
    return Order(number, Form.TEXT, Fate.WAIT, _inputs(dice, 60, slow=True), timeout=PATIENT)


def _poisoned(dice: random.Random, number: str) -> Order:
    return Order(number, Form.TEXT, Fate.WAIT, (*_inputs(dice, 3), Input("3", b"die"), *_inputs(dice, 3, begin=4)))


def _wrong(dice: random.Random, number: str) -> Order:
    return Order(number, Form.TEXT, Fate.WAIT, _inputs(dice, 3), wrong=("wrong",))


def _inputs(dice: random.Random, count: int, size: int = 0, *, slow: bool = False, begin: int = 0) -> tuple[Input, ...]:
    return tuple(Input(str(begin + place), _body(dice, size, slow=slow)) for place in range(count))


def _body(dice: random.Random, size: int, *, slow: bool) -> bytes:
    head = f"sleep {SLEEP}" if slow else dice.choices(["fail", "large", "echo"], [1, 1, 12])[0]
    content = f"{head} {dice.randrange(1 << 60):x}"
    if head == "fail":
        return content.encode()
    return content.encode() if not size else f"{content}\n{dice.randbytes(size // 2).hex()}".encode()


def body_of(order: Order, model: str, version: str, tag: str) -> dict[str, Any]:
    """The JSON of POST /api/jobs. Input names begin with the tag of the attempt, so that it is known again."""
    body: dict[str, Any] = {"model": {"identifier": model, "version": version}}
    if order.timeout:
        body["timeout"] = order.timeout
    if order.form is Form.FILES:
        return body
    sources = {f"{tag}-{one.name}": {"input.txt": _text(order, one)} for one in order.inputs}
    sources |= {name: {"other.txt": "there is no such input"} for name in (f"{tag}-{one}" for one in order.wrong)}
    return body | {"input": {"type": order.form.value, "sources": sources}}


def _text(order: Order, one: Input) -> str:
    if order.form is Form.TEXT:
        return one.body.decode()
    return f"data:text/plain;base64,{base64.b64encode(one.body).decode()}"


_ORDERS: Mapping[str, Callable[[random.Random, str], Order]] = {
    "small": _small, "middle": _middle, "large": _large, "files": _files, "cancel": _cancelled, "timeout": _late,
    "patient": _patient, "poison": _poisoned, "wrong": _wrong,
}  # fmt: skip
WEIGHTS = {
    "small": 8, "middle": 4, "large": 3, "files": 4, "cancel": 3, "timeout": 2, "patient": 1, "poison": 1, "wrong": 1,
}  # fmt: skip
