"""The checker finds nothing in a sound database, and each kind of damage in a damaged one."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from rooms.jobs.house import ANN, allow, job_house
from sqlalchemy import text

from headrace.domain.job import JobInput, NewJob
from headrace.domain.source import SourceKind
from headrace.settings import JobSettings
from headrace.torture import checker, invariants
from headrace.torture.ledger import Ledger
from headrace.torture.work import Fate, Form, Input, Order

DAMAGES = {
    "a result is lost": ("delete from segment", "are stored"),
    "a result of no input": (
        'insert into segment select job, "first" + 100, length, body from segment where "first" = 0',
        "are not those of their inputs",
    ),
    "a count is wrong": ("update job set completed = completed + 1", "are counted"),
    "an input is lost": ("delete from chunk", "0 inputs are stored"),
    "a job ended too early": ("update job set total = total + 1", "it has ended with"),
    "nobody knows when it ended": ("update job set ended = null", "nobody knows when"),
    "a quota is wrong": ("update quotas set used = used - 1", "the quota of user ann"),
    "the queue is wrong": ("update flow set ready = 3 where node = ''", "counts 3 inputs, its jobs 0"),
    "the load is wrong": ("update load set inputs = 3", "is said to have"),
    "a lease is left": (
        "insert into lease (job, \"first\", length, strikes, tries, token) select number, 0, 1, 0, 0, 'x' from job",
        "1 leases",
    ),
}


@asynccontextmanager
async def worked(folder, *, loops=True):
    async with job_house(folder, JobSettings(), loops=loops) as house:
        await house.room.database.write(lambda tx: allow(tx, "ann", 100))
        if loops:
            house.replica(answer)
        inputs = tuple(JobInput(f"x-{number}", {"input.txt": b"%d" % number}) for number in range(5))
        job = await house.submit.submit(ANN, NewJob(house.key, SourceKind.TEXT, inputs))
        yield house, job


async def answer(bodies):
    return b'{"digest": "%s"}' % invariants.digest(bodies["input.txt"]).encode()


async def found(house, statement=None):
    def transaction(tx):
        if statement is not None:
            tx.execute(text(statement))
        return list(invariants.of_rows(tx))

    return await house.room.database.write(transaction)


async def test_a_sound_database_has_no_faults(tmp_path):
    async with worked(tmp_path) as (house, job):
        await house.over(job, ANN)

        assert [] == await found(house)


async def test_work_under_way_is_no_fault(tmp_path):
    async with worked(tmp_path, loops=False) as (house, _):
        assert [] == await found(house)
        assert any("are nowhere" in one for one in await found(house, "update job set next = 2"))


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_found(tmp_path, damage):
    statement, sentence = DAMAGES[damage]
    async with worked(tmp_path) as (house, job):
        await house.over(job, ANN)

        faults = await found(house, statement)

    assert any(sentence in fault for fault in faults), faults


async def test_what_clients_were_promised_is_looked_for(tmp_path):
    places = (tmp_path, tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "blobs.key").write_bytes(b"k" * 32)
    async with worked(tmp_path) as (house, job):
        await house.over(job, ANN)
        ledger = Ledger()
        order = Order("x", Form.TEXT, Fate.WAIT, tuple(Input(str(number), b"%d" % number) for number in range(5)))
        ledger.attempt("x")
        ledger.acknowledged("x", job.id, "ann", order)
        assert [] == checker.check(places, ledger, at_end=True)

        wrong = replace(order, inputs=(*order.inputs[:4], Input("4", b"another")))
        ledger.promises.clear()
        ledger.acknowledged("x", job.id, "ann", wrong)
        [fault] = checker.check(places, ledger, at_end=True)
        assert "x-4 got" in fault

        ledger.acknowledged("x", "no-such-job", "ann", order)
        assert any("was acknowledged and is not there" in one for one in checker.check(places, ledger, at_end=True))
