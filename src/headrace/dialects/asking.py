"""The ASK frame: what a replica is asked, and which bodies follow."""

from collections.abc import Sequence
from typing import NamedTuple

from headrace.dialects.framing import ASK, frame_start
from headrace.dialects.lane import Lane
from headrace.domain.body import BlobRef, Body, Given, Slot, size_of
from headrace.domain.question import Form, Question

_FILES = Form.FILES  # looked at for every question


class Frame(NamedTuple):
    """`size`: bytes of the bodies together; `stored`: whether any of them lies in the store."""

    start: bytes
    bodies: list[Body | memoryview]
    size: int
    stored: bool


def frame_of(questions: Sequence[Question], lane: Lane) -> Frame:
    entries: list[tuple[object, ...]] = []
    bodies: list[Body | memoryview] = []
    size, stored = 0, False
    for question in questions:
        form = question.form
        if form is _FILES:
            entries.append((question.explain, [(name, size_of(body)) for name, body in question.inputs.items()]))
            follow = list(question.inputs.values())
        else:
            body = question.inputs[""]
            meta = {**question.meta, "stream": "1"} if question.stream else question.meta
            if type(body) is bytes:  # most are
                entries.append((form, len(body), meta))
                bodies.append(body)
                size += len(body)
                continue
            number = lane.number(body)
            entries.append((form, size_of(body), meta, *(() if number is None else (number,))))
            follow = [body] if number is None else []
        bodies += map(_sent, follow)
        size += sum(map(size_of, follow))
        stored = stored or any(isinstance(body, BlobRef) for body in follow)
    return Frame(lane.forget() + frame_start(ASK, entries, size), bodies, size, stored)


def _sent(body: Given) -> Body | memoryview:
    return body.view if isinstance(body, Slot) else body
