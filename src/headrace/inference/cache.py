"""Answers that are given again to the same question, of models that say that they always answer the same.

Two questions are the same when they go to the same version in the same form, byte for byte, with the same words for the
replica beside them. Only the identifier is another one each time: one that was made here, for callers who named none,
stands in the answer once and is put anew. A replica that starts may be another program: what was kept before is void.

Whoever may ask a version hears the same from it, so an answer is kept for all of them; who may ask was settled before.
Jobs, streams and sequences never come here.
"""

import re
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from time import monotonic_ns
from typing import Any

import msgspec
from blake3 import blake3

from headrace.domain.body import Slot
from headrace.domain.clock import now
from headrace.domain.errors import HeadraceError
from headrace.domain.question import Answer, Form, Output, Question
from headrace.inference.queue import Tell, Ticket
from headrace.telemetry.trace import TRACEPARENT

LARGEST = 8  # so many of the largest answers have room
BESIDE = 500  # bytes of an entry beside its body, roughly
_OURS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # as the doors make them: all have one length
_NEW_EACH_TIME = frozenset({"id", "named", TRACEPARENT})
_KEPT = ("id", "json")  # what an answer's meta says of its body, and not of the run that made it
_FORMS = (Form.V2_REST, Form.V2_GRPC)

Same = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """`parts`: the body around the identifier; one alone where there is none."""

    parts: tuple[bytes, ...]
    media_type: str
    meta: dict[str, str]
    size: int


class Cache:
    """`budget`: bytes of all answers together; 0: none is kept."""

    def __init__(self, budget: int) -> None:
        self._budget, self._size = budget, 0
        self._kept: OrderedDict[Same, _Kept] = OrderedDict()  # the one used longest ago first

    def answer(self, ticket: Ticket, turn: int) -> Answer | None:
        """None: the replica is to be asked, and what it says may be kept. `turn`: replicas of the version so far."""
        if not self._budget or ticket.question.form not in _FORMS or ticket.question.stream:
            return None
        began = monotonic_ns()
        if not ticket.question.meta.get("id"):
            ticket.question = _with_identifier(ticket.question)
        identifier = ticket.question.meta["id"]
        if not _OURS.fullmatch(identifier):
            return None
        same = (ticket.queue.key, turn, *_said(ticket.question))
        found, counts = self._kept.get(same), ticket.queue.counts
        if found is None:
            ticket.tell = partial(self._told, same, identifier, ticket.tell)
            counts.missed += 1
            counts.miss_ns += monotonic_ns() - began
            return None
        self._kept.move_to_end(same)
        counts.hits += 1
        counts.hit_ns += monotonic_ns() - began
        at, body = now(), identifier.encode().join(found.parts)
        return Answer(at, at, 0.0, {"": Output(body, found.media_type)}, meta=found.meta)

    def _told(self, same: Same, identifier: str, tell: Tell, said: Answer | HeadraceError) -> None:
        if isinstance(said, Answer) and said.error is None and not said.more:
            self._keep(same, identifier, said)
        tell(said)

    def _keep(self, same: Same, identifier: str, answer: Answer) -> None:
        output = answer.outputs.get("")
        if output is None or not isinstance(output.body, bytes) or same in self._kept:
            return
        parts = tuple(output.body.split(identifier.encode()))
        size = len(output.body) + BESIDE
        if len(parts) > 2 or size > self._budget // LARGEST:  # noqa: PLR2004 - the model said it too: it may mean something
            return
        meta = {name: answer.meta[name] for name in _KEPT if name in answer.meta}
        self._kept[same] = _Kept(parts, output.media_type, meta, size)
        self._size += size
        while self._size > self._budget:
            _, gone = self._kept.popitem(last=False)
            self._size -= gone.size


def _with_identifier(question: Question) -> Question:
    """So that it is known which one stands in the answer."""
    return msgspec.structs.replace(question, meta={**question.meta, "id": str(uuid.uuid4())})


def _said(question: Question) -> Same:
    body = question.inputs[""]
    content = body.view if isinstance(body, Slot) else body
    beside = tuple(sorted((name, text) for name, text in question.meta.items() if name not in _NEW_EACH_TIME))
    return question.form, beside, blake3(content).digest()  # type: ignore[arg-type] # a question of these forms is in memory
