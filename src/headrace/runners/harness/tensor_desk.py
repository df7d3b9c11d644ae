"""Answers questions of every form with a model that takes tensors; those that agree run together."""

from __future__ import annotations

from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter
from headrace.runners.harness.adapters.adapter import Asked as Told
from headrace.runners.harness.answers import Answers
from headrace.runners.harness.classify import classified
from headrace.runners.harness.failures import log, within
from headrace.runners.harness.files_form import FilesForm
from headrace.runners.harness.flow import STREAM
from headrace.runners.harness.jsons import loads
from headrace.runners.harness.merge import given_of, groups, replies, rows_of, run_together
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.outcomes import answered, failed
from headrace.runners.harness.questions import FILES, GRPC, REST, Asked, Bodies, Clock, Started, own, turns
from headrace.runners.harness.quick import Quick
from headrace.runners.harness.streaming import stream_one, the_whole
from headrace.runners.harness.tensors import Reply, Request, new_id
from headrace.runners.harness.v2_json import JsonForm
from headrace.runners.harness.v2_proto import ProtoForm
from headrace.runners.harness.words import Words

ONE = (1,)
AT_ONCE = 256  # questions that are read and sorted together

Sent = tuple[tuple[Any, ...], list[bytes]]  # the head of an answer, and its bodies


class TensorDesk:
    """`at_most`: bytes of one answer."""

    def __init__(self, model: Adapter, facts: Facts, answers: Answers, at_most: int) -> None:
        self._model, self._facts, self._answers, self._at_most = model, facts, answers, at_most
        self.name = facts.name
        self._json, self._proto = JsonForm(facts), ProtoForm(facts)
        self._forms: dict[str, JsonForm | ProtoForm] = {REST: self._json, GRPC: self._proto}
        self._files = FilesForm(facts, self._json)
        self._quick = Quick(facts.output_types, batched=facts.rows > 0, model=facts.name)
        self._at_once = AT_ONCE if facts.rows > 1 else 1

    def answer_all(self, questions: list[Asked], bodies: Bodies, started: Started) -> None:
        if STREAM in questions[0].meta:
            self._stream(questions[0], bodies, started)
            return
        if self._model.streams == "only":
            self._each(questions, bodies, started)
            return
        if self._at_once == 1:
            last, clock = len(questions) - 1, Clock()
            for index, asked in enumerate(questions):
                if index:
                    clock.again()
                started(index, 1)
                self._one(asked, bodies, clock, last=index == last)
            return
        for index, end in turns(questions, self._at_once):
            started(index, 1)
            if end - index == 1 and not index:
                self._one(questions[index], bodies, Clock(), last=end == len(questions))
                continue
            Turn(self, questions[index:end], index, started).run(bodies, last=end == len(questions))

    def _one(self, asked: Asked, bodies: Bodies, clock: Clock, last: bool) -> None:
        """For a question that nobody waits beside."""
        if asked.form == FILES:
            self.send(*self._alone(asked, bodies.files(asked), clock), last)
            return
        body = bodies.seen(asked)
        known = self._known(asked, body)
        mine = own(body) if known is None else None
        if type(body) is memoryview:
            body.release()  # whoever finds it in a traceback should not reach for what is unmapped by then
        if known is None:
            head, contents = self._alone(asked, mine, clock)
        else:
            words, arrays = known
            head, contents = self._again(asked, words, arrays, clock)
        self._answers.add(head, contents, last)

    def _known(self, asked: Asked, body: Any) -> tuple[Words, dict[str, Any]] | None:
        """What the model is given of a request in words that are known. Raises nothing."""
        form, meta = asked.form, asked.meta
        if "headers" in meta or (form != GRPC and not meta.get("id")):
            return None
        if form == REST and "json" not in meta:
            known = self._json.words.known(body if type(body) is bytes else bytes(body))
            if known is None:
                return None
            words, data = known
            arrays = self._quick.of_json(words, data)
        elif form in self._forms:
            find = self._proto.words.find if form == GRPC else self._json.before
            found = find(body, meta)
            if found is None:
                return None
            words, start = found
            arrays = self._quick.of_bytes(words, body, start)
        else:
            return None
        if arrays is None:
            return None
        if not meta.get("id"):
            meta["id"] = new_id()
        return words, arrays

    def _again(self, asked: Asked, words: Words, arrays: dict[str, Any], clock: Clock) -> Sent:
        try:
            plan, one_id, form, model = words.plan, asked.meta["id"], self._forms[asked.form], self._model
            told = plan.asked
            if not model.anonymous:
                told = Told(told.outputs, {}, told.inputs, one_id, self.name)
            given = model.run(arrays, told)
            times = clock.stop(1)
            outputs = self._quick.outputs(plan, given)
            plain = None if outputs is None else form.plain(words, asked.meta, outputs)
            if plain is not None:
                body, meta = plain
                if len(body) > self._at_most:
                    within(len(body), self._at_most)
                if plan.rows:
                    meta["rows"] = plan.rows
                return (*times, None, len(body)) if not meta else answered(times, [("", len(body))], meta), [body]
            [reply] = replies(self._facts, [words.again(None, one_id)], given_of(given), told.outputs)
            names, contents, meta = self.encode(asked, reply)
        except BaseException as failure:  # noqa: BLE001 - also SystemExit: whatever the model does costs its input only
            log(failure)
            return failed(failure, clock.stop(1), asked, self.name)
        return answered(times, names, meta), contents

    def _alone(self, asked: Asked, given: Any, clock: Clock) -> Sent:
        request = self.decode(asked, given)
        if isinstance(request, BaseException):
            return failed(request, clock.stop(1), asked, self.name)
        try:
            [reply] = self.run([request])
            times = clock.stop(1)
            names, contents, meta = self.encode(asked, reply)
        except BaseException as failure:  # noqa: BLE001 - as above
            log(failure)
            return failed(failure, clock.stop(1), asked, self.name)
        return answered(times, names, meta), contents

    def _stream(self, asked: Asked, bodies: Bodies, started: Started) -> None:
        """Any number of answers to one question."""
        started(0, 1)
        clock = Clock()
        request = self.decode(asked, bodies.one(asked))
        if isinstance(request, BaseException):
            self.send(*failed(request, clock.stop(1), asked, self.name), last=True)
        else:
            stream_one(self._model, self._facts, self, (asked, request), started)

    def _each(self, questions: list[Asked], bodies: Bodies, started: Started) -> None:
        """One answer each from a model that gives any number: a job's input gets them all as one."""
        for index, asked in enumerate(questions):
            started(index, 1)
            last = index == len(questions) - 1
            if asked.form == FILES:
                self._joined(asked, bodies, last)
            else:
                self._one(asked, bodies, Clock(), last)

    def _joined(self, asked: Asked, bodies: Bodies, last: bool) -> None:
        clock = Clock()
        try:
            request = self.decode(asked, bodies.files(asked))
            if isinstance(request, BaseException):
                raise request  # noqa: TRY301 - one place where failures become answers
            found = the_whole(self._model, self._facts, request, self._at_most)
            files = self._files.encode_joined(found)
            within(sum(len(body) for _, body in files), self._at_most)
        except BaseException as failure:  # noqa: BLE001 - also SystemExit: whatever the model does costs its input only
            log(failure)
            self.send(*failed(failure, clock.stop(1), asked, self.name), last)
            return
        names = [(name, len(body)) for name, body in files]
        self.send(answered(clock.stop(1), names, {}), [body for _, body in files], last)

    def decode(self, asked: Asked, given: Any) -> Request | BaseException:
        """`given`: its files, or its body."""
        try:
            if asked.form == FILES:
                request = self._files.decode(given, asked.meta)
            else:
                request = self._forms[asked.form].decode(memoryview(given), asked.meta)
                if "headers" in asked.meta:
                    request.parameters = {**(request.parameters or {}), "headers": loads(asked.meta["headers"])}
            self._facts.check(request, asked.meta)
        except Exception as failure:  # noqa: BLE001 - no request may end this process, whatever it holds
            return failure
        return request

    def run(self, requests: list[Request]) -> list[Reply]:
        return run_together(self._model, self._facts, requests)

    def encode(self, asked: Asked, reply: Reply) -> tuple[list[tuple[str, int]], list[bytes], dict[str, str]]:
        batched, inputs = self._facts.rows > 0, reply.request.inputs
        reply = classified(reply, batched, self._model.labels)
        meta: dict[str, str] = {}
        if asked.form == FILES:
            files = self._files.encode(reply)
            names, bodies = [(name, len(body)) for name, body in files], [body for _, body in files]
        else:
            body, meta = self._forms[asked.form].encode(reply, asked.meta)
            within(len(body), self._at_most)
            names, bodies = [("", len(body))], [body]
        if batched and inputs and inputs[0].shape[:1] != ONE:  # for statistics: headrace/inference/counts.py
            meta = {**meta, "rows": str(rows_of(reply.request) or 1)}
        return names, bodies, meta

    def groups(self, requests: list[tuple[int, Request]]) -> list[list[int]]:
        return groups(requests, self._facts.rows)

    def send(self, head: tuple[Any, ...], contents: list[bytes], last: bool) -> None:
        self._answers.add(head, contents, last)


class Turn:
    """Some questions that were read together. Answers leave in order, each as soon as those before it are there."""

    def __init__(self, desk: TensorDesk, questions: list[Asked], first: int, started: Started) -> None:
        self._desk, self._questions, self._first, self._started = desk, questions, first, started
        self._ready: dict[int, Sent] = {}
        self._sent = 0

    def run(self, bodies: Bodies, last: bool) -> None:
        clock = Clock()
        good: list[tuple[int, Request]] = []
        for number, asked in enumerate(self._questions):
            request = self._desk.decode(asked, bodies.files(asked) if asked.form == FILES else bodies.one(asked))
            if isinstance(request, BaseException):
                self._ready[number] = failed(request, clock.stop(1), asked, self._desk.name)
            else:
                good.append((number, request))
        self._send(last)
        for places in self._desk.groups(good):
            self._group([good[place] for place in places])
            self._send(last)

    def _group(self, members: list[tuple[int, Request]]) -> None:
        reach, call = max(members[-1][0] - self._sent + 1, 1), self._first + members[0][0]
        self._started(self._first + self._sent, reach)
        clock = Clock()
        replies = self._replies(members)
        if isinstance(replies, BaseException):
            if len(members) == 1:
                number = members[0][0]
                self._ready[number] = failed(replies, clock.stop(1), self._questions[number], self._desk.name)
            for member in members if len(members) > 1 else ():
                self._group([member])
            return
        times = clock.stop(len(members))
        for (number, _), reply in zip(members, replies, strict=True):
            asked = self._questions[number]
            try:
                names, contents, meta = self._desk.encode(asked, reply)
                if call:  # not the one that all would share
                    meta = {**meta, "call": str(call)}
                self._ready[number] = (answered(times, names, meta), contents)
            except Exception as failure:  # noqa: BLE001 - what a model returns may fail in any way
                log(failure)
                self._ready[number] = failed(failure, times, asked, self._desk.name)

    def _replies(self, members: list[tuple[int, Request]]) -> list[Reply] | BaseException:
        try:
            return self._desk.run([request for _, request in members])
        except BaseException as failure:  # noqa: BLE001 - also SystemExit: whatever the model does costs its input only
            log(failure)
            return failure

    def _send(self, last: bool) -> None:
        while self._sent in self._ready:
            head, contents = self._ready.pop(self._sent)
            self._sent += 1
            self._desk.send(head, contents, last and self._sent == len(self._questions))
