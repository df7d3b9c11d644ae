"""Real HTTP clients. They repeat what was not acknowledged, nothing else, and write down what was promised."""

import asyncio
import itertools
import random
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx2

from headrace.torture.ledger import Ledger, Promise
from headrace.torture.work import Fate, Form, Order, body_of, draw

PAUSE = 0.05  # seconds between two tries
DEADLINE = 20.0  # seconds for one answer
AGAIN = 0.1  # share of acknowledged jobs that are sent once more
BEHIND = 3  # jobs of a client that may be under way at once
ENDED = frozenset({"COMPLETED", "CANCELED", "TIMEDOUT"})
VERSION = "1.0.0"


class GaveUp(Exception):
    """The server did not come back."""


@dataclass(slots=True)
class Round:
    """What the clients of one round share."""

    urls: tuple[str, ...]  # of all servers
    model: str
    ledger: Ledger
    stop: asyncio.Event = field(default_factory=asyncio.Event)  # no new jobs
    over: asyncio.Event = field(default_factory=asyncio.Event)  # give up
    idempotent: bool = False


class Client:
    """One user with one key."""

    def __init__(self, shared: Round, name: str, key: str, seed: str, *, alone: bool = False) -> None:
        """`alone`: nobody else submits for this user, so all of its jobs may be cancelled together."""
        self.alone = alone
        self._shared, self.name = shared, name
        self._ledger = shared.ledger
        self._dice = random.Random(seed)  # noqa: S311 - chance, not a secret
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"ApiKey {key}"},
            timeout=DEADLINE,
            trust_env=False,
            verify=False,
        )
        self._urls = itertools.cycle(shared.urls)
        self._promises: list[Promise] = []

    async def run(self) -> None:
        """Jobs without end, until it is told to stop; then it waits for those that it wants to see."""
        try:
            number = 0
            while not self._shared.stop.is_set():
                order = draw(self._dice, f"{self.name}.{number}")
                number += 1
                await self._one(order)
                if len(self._promises) >= BEHIND:
                    await self._follow(self._promises.pop(0))
            for promise in self._promises:
                await self._follow(promise)
        finally:
            await self._http.aclose()

    async def ask(self, method: str, path: str, **parts: Any) -> httpx2.Response:
        """Until it is answered with anything but a fault of the server."""
        while True:
            answer = await self.once(method, path, **parts)
            if answer is not None:
                return answer
            await self._breathe()

    async def once(self, method: str, path: str, **parts: Any) -> httpx2.Response | None:
        """None: not acknowledged. Of several servers each is asked in its turn, the one that is dead as well."""
        try:
            answer = await self._http.request(method, f"{next(self._urls)}/api{path}", **parts)
        except httpx2.TransportError:
            self._ledger.counts["requests without an answer"] += 1
            return None
        if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            self._ledger.complain(f"{method} {path} was answered with 500: {answer.text[:300]}")
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            self._ledger.counts[f"answers {answer.status_code}"] += 1
            return None
        return answer

    async def _breathe(self) -> None:
        if self._shared.over.is_set():
            raise GaveUp(f"{self.name} gave up")
        await asyncio.sleep(PAUSE)

    async def _one(self, order: Order) -> None:
        promise = await (self._upload(order) if order.form is Form.FILES else self._submit(order))
        if promise is None:
            return
        if order.fate is Fate.CANCEL:
            await asyncio.sleep(self._dice.random() / 5)
            await self._cancel(promise)
        if order.fate is not Fate.LEAVE:
            self._promises.append(promise)

    async def _submit(self, order: Order) -> Promise | None:
        turn = 0
        while True:
            tag = order.number if self._shared.idempotent else f"{order.number}.{turn}"
            turn += 1
            self._ledger.attempt(tag)
            body = body_of(order, self._shared.model, VERSION, tag)
            answer = await self.once("POST", "/jobs", json=body, headers={"Idempotency-Key": tag})
            if answer is None or answer.status_code == HTTPStatus.CONFLICT:  # 409: an earlier try is still under way
                await self._breathe()
                continue
            if not answer.is_success:
                await self._refused(tag, answer)
                return None
            if self._shared.idempotent and self._dice.random() < AGAIN:
                await self._again(tag, body, answer.json()["jobIdentifier"])
            return self._ledger.acknowledged(tag, answer.json()["jobIdentifier"], self.name, order)

    async def _again(self, tag: str, body: dict[str, Any], job: str) -> None:
        """What was acknowledged is sent once more: the same key, the same job."""
        answer = await self._keyed("/jobs", tag, json=body)
        if not answer.is_success or answer.json()["jobIdentifier"] != job:
            self._ledger.complain(
                f"{tag} sent again did not answer job {job}: {answer.status_code} {answer.text[:300]}"
            )

    async def _keyed(self, path: str, key: str, **parts: Any) -> httpx2.Response:
        """A POST until it is answered; 409 is an earlier try that is still under way."""
        while True:
            answer = await self.ask("POST", path, headers={"Idempotency-Key": key}, **parts)
            if answer.status_code != HTTPStatus.CONFLICT:
                return answer
            await self._breathe()

    async def _refused(self, tag: str, answer: httpx2.Response) -> None:
        self._ledger.told_no(tag)
        await asyncio.sleep(PAUSE * 4)
        if answer.status_code != HTTPStatus.FORBIDDEN or "quota" not in answer.text:
            self._ledger.complain(f"a job was refused with {answer.status_code}: {answer.text[:300]}")

    async def _upload(self, order: Order) -> Promise | None:
        """A job filled in pieces. A piece without an answer makes the job worthless: it is cancelled and begun anew."""
        turn = 0
        while True:
            tag = f"{order.number}.{turn}"
            turn += 1
            self._ledger.attempt(tag)
            body = body_of(order, self._shared.model, VERSION, tag)
            opened = await self._keyed("/jobs", tag, json=body)
            if not opened.is_success:
                await self._refused(tag, opened)
                return None
            job = opened.json()["jobIdentifier"]
            if not await self._pieces(job, tag, order):
                await self.ask("DELETE", f"/jobs/{job}")
                continue
            closed = await self._close(job)
            if closed is None:
                self._ledger.told_no(tag)
                await self.ask("DELETE", f"/jobs/{job}")
                return None
            return self._ledger.acknowledged(tag, job, self.name, order)

    async def _pieces(self, job: str, tag: str, order: Order) -> bool:
        for one in order.inputs:
            middle = self._dice.randint(0, len(one.body))
            for piece in (one.body[:middle], one.body[middle:]):
                files = {"input": ("piece", piece)}
                answer = await self.once("POST", f"/jobs/{job}/{tag}-{one.name}/input.txt", files=files)
                if answer is None:
                    return False
                if not answer.is_success:
                    self._ledger.complain(f"a piece of job {job} was refused: {answer.status_code} {answer.text[:300]}")
                    return False
        return True

    async def _close(self, job: str) -> str | None:
        """None when its quota refused it. A job that is closed already was closed by a try without an answer."""
        while True:
            answer = await self.once("POST", f"/jobs/{job}/close")
            if answer is None:
                await self._breathe()
            elif answer.is_success or answer.status_code == HTTPStatus.CONFLICT:
                return job
            else:
                if answer.status_code != HTTPStatus.FORBIDDEN:
                    self._ledger.complain(f"closing {job} was refused: {answer.status_code} {answer.text[:300]}")
                return None

    async def _cancel(self, promise: Promise) -> None:
        if self.alone:
            await self.ask("DELETE", "/jobs")
        answer = await self.ask("DELETE", f"/jobs/{promise.job}")
        if not answer.is_success:
            self._ledger.complain(f"job {promise.job} could not be cancelled: {answer.status_code} {answer.text[:300]}")
            return
        state = answer.json()["status"]
        if state not in ENDED:
            self._ledger.complain(f"job {promise.job} is {state} after it was cancelled")
        self._ledger.saw_end(promise, state)

    async def _follow(self, promise: Promise) -> None:
        while True:
            answer = await self.ask("GET", f"/results/{promise.job}")
            if not answer.is_success:
                self._ledger.complain(
                    f"the results of {promise.job} cannot be read: {answer.status_code} {answer.text[:300]}"
                )
                return
            results = answer.json()
            self._ledger.saw(promise, results)
            if results["finished"]:
                return
            await self._breathe()
