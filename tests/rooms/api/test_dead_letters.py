"""Dead letters through the doors: listed, tried again in a new job, and the old job stays as it was."""

import asyncio

import pytest
from rooms.api.house import Talker, house
from sqlalchemy import update

from headrace.domain.account import Role
from headrace.domain.errors import ReplicaLost
from headrace.domain.ids import VersionKey
from headrace.fleet.seat import Replica
from headrace.jobs.tables import job as job_table
from headrace.settings import JobSettings


class Mortal(Talker):
    """Dies at every input that says "die", as long as it is mortal."""

    mortal = True

    async def run(self, questions, timeout):
        for index, question in enumerate(questions):
            if self.mortal and question.inputs["input.txt"] == b"die":
                raise ReplicaLost("killed by signal 9", suspect=index)
            async for answer in super().run([question], timeout):
                yield answer


@pytest.fixture
async def model(home, client):
    """With replicas enough to die."""
    home.talker = Mortal()
    model = await home.publish(client)
    for number in range(6):
        home.routing.add(VersionKey(model, "1.0.0"), Replica(f"spare-{number}", home.talker))
    return model


def text_job(model, sources, **more):
    named = {name: {"input.txt": text} for name, text in sources.items()}
    return {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": named}, **more}


async def over(client, job):
    async with asyncio.timeout(30):
        while not (found := (await client.get(f"/results/{job}")).json())["finished"]:
            await asyncio.sleep(0.01)
    return found


async def submitted(client, model, sources, **more):
    job = (await client.post("/jobs", json=text_job(model, sources, **more))).json()["jobIdentifier"]
    return job, await over(client, job)


async def test_dead_letters_are_listed_and_tried_again(home, client, model):
    sources = {"a": "die", "b": "hi", "c": "no"}
    job, found = await submitted(client, model, sources, timeout=60_000, priority=20)
    assert (1, 2) == (found["completed"], found["failed"])
    before = (await client.get(f"/jobs/{job}")).json()

    [listed] = (await client.get("/jobs/dead")).json()
    assert (job, "COMPLETED", 1, 2, 3) == tuple(
        listed[name] for name in ("jobIdentifier", "status", "dead", "failed", "total")
    )
    [letter] = (await client.get(f"/jobs/{job}/dead")).json()
    assert ("a", "killed by signal 9", None) == (letter["input"], letter["error"], letter["redrivenIn"])

    home.talker.mortal = False
    answer = await client.post(f"/jobs/{job}/redrive", json={})
    receipt = answer.json()
    assert (202, 1, ["a"], 60_000) == (
        answer.status_code, receipt["totalInputs"], receipt["jobInputs"]["identifier"], receipt["timeout"],
    )  # fmt: skip
    results = (await over(client, receipt["jobIdentifier"]))["results"]
    assert {"said": "die"} == results["a"]["results.json"]

    assert before == (await client.get(f"/jobs/{job}")).json()
    assert [] == (await client.get("/jobs/dead")).json()
    [letter] = (await client.get(f"/jobs/{job}/dead")).json()
    assert receipt["jobIdentifier"] == letter["redrivenIn"]
    again = await client.post(f"/jobs/{job}/redrive", json={})
    assert (409, True) == (again.status_code, "all of them were tried again" in again.json()["message"])


async def test_some_are_tried_again_and_charged_again(client, model):
    team = (await client.get("/accounting/teams")).json()[0]["identifier"]
    await client.post("/accounting/quotas", json={"team": team, "quota": 3})
    job, _ = await submitted(client, model, {"a": "die", "b": "die", "c": "hi"})

    receipt = (await client.post(f"/jobs/{job}/redrive", json={"inputs": ["b"]})).json()
    assert ["b"] == receipt["jobInputs"]["identifier"]
    await over(client, receipt["jobIdentifier"])
    [quota] = (await client.get("/accounting/quotas")).json()
    assert 1 == quota["used"]
    assert ["a", "b"] == [one["input"] for one in (await client.get(f"/jobs/{job}/dead")).json()]
    unknown = await client.post(f"/jobs/{job}/redrive", json={"inputs": ["b", "zzz"]})
    assert (409, True) == (unknown.status_code, "'zzz'" in unknown.json()["message"])


async def test_when_the_inputs_are_deleted_there_is_nothing_to_try(home, client, model):
    job, _ = await submitted(client, model, {"a": "die"})
    await home.database.write(lambda tx: tx.execute(update(job_table).values(drop_inputs_at=None)))
    answer = await client.post(f"/jobs/{job}/redrive", json={})
    assert (409, True) == (answer.status_code, "hoursDeleteInput" in answer.json()["message"])


async def test_others_neither_see_nor_redrive_them(home, client, model):
    job, _ = await submitted(client, model, {"a": "die"})
    async with home.client(await home.key_of("bob@example.com", Role.DEVELOPER)) as bob:
        assert [] == (await bob.get("/jobs/dead")).json()
        assert 404 == (await bob.get(f"/jobs/{job}/dead")).status_code
        assert 404 == (await bob.post(f"/jobs/{job}/redrive", json={})).status_code
    async with home.client(await home.key_of("eve@example.com", Role.AUDITOR)) as auditor:
        assert 1 == len((await auditor.get("/jobs/dead")).json())
        assert 403 == (await auditor.post(f"/jobs/{job}/redrive", json={})).status_code


async def test_weights_are_set_by_platform_administrators(home, client):
    team = (await client.get("/accounting/teams")).json()[0]["identifier"]
    bob = await home.key_of("bob@example.com", Role.DEVELOPER)
    for body in ({"team": team, "weight": 3}, {"team": team, "user": "bob@example.com", "weight": 0.5}):
        assert 200 == (await client.put("/accounting/shares", json=body)).status_code
    shares = (await client.get("/accounting/shares")).json()
    assert [3.0, 0.5] == [one["weight"] for one in shares]

    assert 400 == (await client.put("/accounting/shares", json={"team": team, "weight": 0})).status_code
    assert 404 == (await client.put("/accounting/shares", json={"team": "nobody", "weight": 2})).status_code
    async with home.client(bob) as bobs:
        assert 403 == (await bobs.put("/accounting/shares", json={"team": team, "weight": 99})).status_code


@pytest.mark.parametrize("priority", [0, 101, 1.5, "high"])
async def test_a_priority_out_of_range_is_refused(client, model, priority):
    answer = await client.post("/jobs", json=text_job(model, {"a": "hi"}, priority=priority))
    assert (400, True) == (answer.status_code, "priority" in answer.json()["message"])


async def test_too_much_waiting_is_refused_with_a_sentence(tmp_path):
    async with house(tmp_path, jobs=JobSettings(waiting_inputs=2)) as home, home.client() as client:
        model = await home.publish(client)
        answer = await client.post("/jobs", json=text_job(model, {"a": "hi", "b": "hi", "c": "hi"}))
        assert (429, True) == (answer.status_code, "jobs.waiting_inputs" in answer.json()["message"])
        assert "Retry-After" in answer.headers
        assert [] == (await client.get("/jobs")).json()
