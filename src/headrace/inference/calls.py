"""Models that ask other models: whom they may ask, for how long, and that no two ever wait for each other.

A model asks in the name of its owner: it reaches what the owner sees, and nobody's key. While it waits, its replica is
held; so a call is refused when the model that is asked waits itself, at that moment and by however many others, for the
one that asks. A chain has an end, and each link of it no more time than the one before has left.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

import msgspec

from headrace.catalog.directory import Directory
from headrace.catalog.models import Models
from headrace.dialects.calls import Call, Reply, Result
from headrace.domain.account import Principal, Role, Status, User
from headrace.domain.body import BodyStore, whole
from headrace.domain.errors import HeadraceError, Invalid, NotFound, NotReady, NotStarted, Unavailable, Unsupported
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer
from headrace.domain.tensor import TensorModel
from headrace.inference.ask import Ask, Step
from headrace.inference.measures import Measures

DEEPEST = 8  # models in a chain that wait for each other
LATE = "Request timeout expired"
_STATUSES = {Unsupported: 501, Invalid: 400, Unavailable: 503, NotStarted: 503}

logger = logging.getLogger(__name__)

Waits = Counter[tuple[VersionKey, VersionKey]]


class Calls:
    """Takes none before `run` has begun, and after it has ended. `allowed`: see the setting inference.calls."""

    def __init__(self, ask: Ask, directory: Directory, models: Models, blobs: BodyStore, *, allowed: bool) -> None:
        self._ask, self._directory, self._models, self._blobs = ask, directory, models, blobs
        self._allowed = allowed
        self._group: asyncio.TaskGroup | None = None
        self._waits: Waits = Counter()  # who waits for whom, and how often
        self.measures = Measures()
        self.told, self.gone = self.measures.told, self.measures.gone

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await asyncio.get_running_loop().create_future()  # until it is cancelled
            finally:
                self._group = None

    def call(self, call: Call, reply: Reply) -> Callable[[], object] | None:
        if self._group is None:
            return None
        return self._group.create_task(self._answer(call, reply)).cancel

    async def _answer(self, call: Call, reply: Reply) -> None:
        try:
            async with asyncio.timeout(call.seconds):
                await self._ask_for(call, reply)
        except TimeoutError:
            await reply.say(Result(error=LATE, status=503))
        except (NotFound, NotReady) as error:
            await reply.say(Result(error=error.message, status=404, absent=True))
        except HeadraceError as error:
            status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500)
            await reply.say(Result(error=error.message, status=status))
        except Exception:  # one model's accident must not stop those who ask for all others
            logger.exception("a model's question to another model")
            await reply.say(Result(error="something went wrong in the server"))

    async def _ask_for(self, call: Call, reply: Reply) -> None:
        asked = call.asked
        if not self._allowed:
            raise Invalid("models may not ask other models here: see the setting inference.calls")
        owner = await self._owner(call.caller.model)
        _, version = await self._directory.resolve(owner, asked.model, asked.version or None)
        if asked.about:
            await reply.say(Result(_about(version.tensors)))
            return
        run = min(call.seconds, version.timeout.run / 1000)
        step = Step(asked.sequence, f"model {call.caller.model}", asked.start, asked.end) if asked.sequence else None
        with self._waiting(call.caller, version.key):
            if asked.stream:
                answers = self._ask.stream(version.key, call.question, patience=call.seconds, timeout=run, step=step)
                async with aclosing(answers):
                    async for answer in answers:
                        await reply.say(await self._result(answer))
            elif step is not None:
                one = self._ask.in_sequence(version.key, call.question, step, patience=call.seconds, timeout=run)
                await reply.say(await self._result(await one))
            else:
                answer = await self._ask.one(version.key, call.question, patience=call.seconds, timeout=run)
                await reply.say(await self._result(answer))

    async def _owner(self, identifier: str) -> Principal:
        model = await self._models.get(identifier)
        user = User(model.owner, "", "", "", "", "", Status.ACTIVE, 0)
        return Principal(model.account, model.team, user, "", frozenset({Role.DEVELOPER}))

    async def _result(self, answer: Answer) -> Result:
        output = answer.outputs.get("")
        if answer.error is not None or output is None:
            return Result(error=answer.error, status=answer.status, more=answer.more)
        body = output.body if isinstance(output.body, bytes) else await whole(output.body, self._blobs)
        return Result(body, int(answer.meta.get("json", -1)), more=answer.more)

    @contextmanager
    def _waiting(self, caller: VersionKey, asked: VersionKey) -> Iterator[None]:
        """Raises Invalid where it would never end."""
        if caller == asked or caller in _behind(self._waits, asked):
            raise Invalid(f"model '{asked.model}' waits for an answer of this one just now: they would wait for ever")
        if _depth(self._waits, caller) >= DEEPEST:
            raise Unavailable(f"{DEEPEST} models wait for each other already")
        self._waits[caller, asked] += 1
        try:
            yield
        finally:
            self._waits[caller, asked] -= 1
            if not self._waits[caller, asked]:
                del self._waits[caller, asked]


def _about(tensors: TensorModel | None) -> bytes:
    """JSON; null for a model that takes files, and for one that has not said yet."""
    return msgspec.json.encode(tensors)


def _behind(waits: Waits, first: VersionKey) -> set[VersionKey]:
    """All that this one waits for."""
    found: set[VersionKey] = set()
    following = [first]
    while following:
        one = following.pop()
        new = {asked for caller, asked in waits if caller == one} - found
        found |= new
        following += new
    return found


def _depth(waits: Waits, last: VersionKey) -> int:
    """Models in the longest chain that waits for this one, itself among them. There are no circles."""
    return 1 + max((_depth(waits, caller) for caller, asked in waits if asked == last), default=0)
