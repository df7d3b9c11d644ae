"""Idempotency-Key: carried out once, answered the same, bound to caller and request, also when a server dies."""

import asyncio

import pytest
from sqlalchemy import update

from headrace.accounts.once import KEPT, Once
from headrace.accounts.once_rows import once
from headrace.domain.account import Role
from headrace.domain.errors import StorageFailed

KEY = {"Idempotency-Key": "7c1f3a52-9f0a-4f0e-9a55-0d3a6f6c2b11"}
REPLAYED = "Idempotency-Replayed"


def text_job(model, text="hi"):
    sources = {"a": {"input.txt": text}}
    return {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": sources}}


@pytest.fixture
async def model(home, client):
    return await home.publish(client)


async def jobs(client):
    return len((await client.get("/jobs")).json())


async def over(client, job):
    async with asyncio.timeout(30):
        while not (await client.get(f"/results/{job}")).json()["finished"]:
            await asyncio.sleep(0.01)


async def test_the_same_request_is_carried_out_once_and_answered_the_same(client, model):
    first = await client.post("/jobs", json=text_job(model), headers=KEY)
    await over(client, first.json()["jobIdentifier"])
    again = await client.post("/jobs", json=text_job(model), headers=KEY)

    assert (202, 202) == (first.status_code, again.status_code)
    assert first.content == again.content
    assert first.headers["Content-Type"] == again.headers["Content-Type"]
    assert (None, "true") == (first.headers.get(REPLAYED), again.headers[REPLAYED])
    assert 1 == await jobs(client)


async def test_without_a_key_or_with_another_it_is_another_request(client, model):
    for headers in (KEY, {}, {"Idempotency-Key": "another"}):
        assert 202 == (await client.post("/jobs", json=text_job(model), headers=headers)).status_code
    assert 3 == await jobs(client)


async def test_the_structured_string_of_the_draft_is_the_same_key(client, model):
    await client.post("/jobs", json=text_job(model), headers={"Idempotency-Key": '"abc"'})
    assert REPLAYED in (await client.post("/jobs", json=text_job(model), headers={"Idempotency-Key": "abc"})).headers


@pytest.mark.parametrize("key", ["", '""', "x" * 256])
async def test_a_key_that_is_none_is_refused(client, model, key):
    answer = await client.post("/jobs", json=text_job(model), headers={"Idempotency-Key": key})
    assert (400, True) == (answer.status_code, "1 to 255" in answer.json()["message"])


async def test_a_key_is_for_one_request(client, model):
    await client.post("/jobs", json=text_job(model), headers=KEY)
    body = await client.post("/jobs", json=text_job(model, "other"), headers=KEY)
    route = await client.post("/models", json={"name": "x", "version": "1.0.0"}, headers=KEY)

    assert (422, 422) == (body.status_code, route.status_code)
    assert "another path or body" in body.json()["message"]
    assert "POST /api/jobs" in route.json()["message"]


async def test_the_same_key_of_somebody_else_is_another_key(home, client, model):
    await client.post("/jobs", json=text_job(model), headers=KEY)
    async with home.client(await home.key_of("bob@example.com", Role.DEVELOPER)) as bob:
        await client.patch(f"/models/{model}/visibility", json={"scope": "ALL"})
        his = await bob.post("/jobs", json=text_job(model, "his"), headers=KEY)
        assert (202, None) == (his.status_code, his.headers.get(REPLAYED))
        assert 1 == await jobs(bob)


async def test_after_an_error_nothing_was_made_and_the_key_is_free(client, model):
    wrong = {**text_job(model), "model": {"identifier": model, "version": "9.9.9"}}
    assert 404 == (await client.post("/jobs", json=wrong, headers=KEY)).status_code
    assert 202 == (await client.post("/jobs", json=text_job(model), headers=KEY)).status_code


async def test_while_the_first_is_under_way_the_second_is_told_so(home, client, model, monkeypatch):
    entered, gate = asyncio.Event(), asyncio.Event()
    identified = home.rooms.directory.identified

    async def slow(*arguments):
        entered.set()
        await gate.wait()
        return await identified(*arguments)

    monkeypatch.setattr(home.rooms.directory, "identified", slow)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(client.post("/jobs", json=text_job(model), headers=KEY))
        await entered.wait()
        second = await client.post("/jobs", json=text_job(model), headers=KEY)
        gate.set()
    assert (409, 202) == (second.status_code, first.result().status_code)
    assert "under way" in second.json()["message"]
    assert 1 == await jobs(client)


async def test_pieces_are_compared_by_their_content_and_appended_once(client, model):
    job = (await client.post("/jobs", json={"model": {"identifier": model, "version": "1.0.0"}})).json()[
        "jobIdentifier"
    ]
    path = f"/jobs/{job}/a/input.txt"
    for content, status in ((b"x" * 200_000, 202), (b"x" * 200_000, 202), (b"y" * 200_000, 422)):
        answer = await client.post(path, files={"input": ("input", content)}, headers=KEY)  # a new boundary each time
        assert status == answer.status_code
    assert 422 == (await client.post(f"/jobs/{job}/b/input.txt", files={"input": ("i", b"x")}, headers=KEY)).status_code

    close = {"Idempotency-Key": "close"}
    closed = await client.post(f"/jobs/{job}/close", headers=close)
    assert 200_000 == closed.json()["inputByteAmount"]
    assert closed.content == (await client.post(f"/jobs/{job}/close", headers=close)).content


async def test_models_versions_quotas_and_users(client, model):
    for path, body in (
        ("/models", {"name": "other", "version": "1.0.0"}),
        (f"/models/{model}/versions", {"version": "2.0.0"}),
        ("/accounting/quotas", {"team": (await client.get("/accounting/teams")).json()[0]["identifier"], "quota": 9}),
        ("/accounting/accounts/acme/users", {"email": "cy@example.com", "firstName": "Cy", "lastName": "Lee",
                                             "roles": ["Developer"]}),
    ):  # fmt: skip
        headers = {"Idempotency-Key": path}
        first, again = [await client.post(path, json=body, headers=headers) for _ in range(2)]
        assert (201, first.content, "true") == (again.status_code, again.content, again.headers[REPLAYED])
    assert 1 == len((await client.get("/accounting/quotas")).json())


async def test_a_new_keys_body_is_not_kept(home, client):
    body = {"user": "admin@localhost", "name": "mine", "roles": ["Developer"]}
    me = (await client.get("/accounting/users")).json()[0]["email"]
    first = await client.post("/accounting/access-keys", json=body | {"user": me}, headers=KEY)
    again = await client.post("/accounting/access-keys", json=body | {"user": me}, headers=KEY)

    assert (201, 409) == (first.status_code, again.status_code)
    assert "shown once" in again.json()["message"]
    rows = await home.database.read(lambda tx: tx.execute(once.select()).all())
    assert not any(first.json()["hash"].encode() in (row.body or b"") for row in rows)


async def test_a_server_that_dies_before_the_answer_is_kept_has_made_one_job_only(home, client, model):
    first = await client.post("/jobs", json=text_job(model), headers=KEY)
    await _forget_answer(home, server="one that is dead")

    again = await client.post("/jobs", json=text_job(model), headers=KEY)
    assert (202, "true") == (again.status_code, again.headers[REPLAYED])
    assert first.json()["jobIdentifier"] == again.json()["jobIdentifier"]
    assert 1 == await jobs(client)


async def test_a_server_that_dies_before_anything_is_made_leaves_the_key_free(home, client, model):
    await client.post("/jobs", json=text_job(model), headers=KEY)
    await _forget_answer(home, server="one that is dead", made=None)
    assert 202 == (await client.post("/jobs", json=text_job(model), headers=KEY)).status_code
    assert 2 == await jobs(client)


async def test_what_another_living_server_works_on_is_under_way(home, client, model, monkeypatch):
    await client.post("/jobs", json=text_job(model), headers=KEY)
    await _forget_answer(home, server="another", made=None)
    monkeypatch.setattr(home.rooms.once, "_gone", lambda _tx, _server: False)
    assert 409 == (await client.post("/jobs", json=text_job(model), headers=KEY)).status_code


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(client, model, monkeypatch):
    async def fails(*_arguments):
        raise StorageFailed("the disk is full")

    monkeypatch.setattr(Once, "keep", fails)
    first = await client.post("/jobs", json=text_job(model), headers=KEY)
    again = await client.post("/jobs", json=text_job(model), headers=KEY)
    assert (202, 202) == (first.status_code, again.status_code)
    assert first.json()["jobIdentifier"] == again.json()["jobIdentifier"]


async def test_after_seven_days_it_is_forgotten(home, client, model):
    await client.post("/jobs", json=text_job(model), headers=KEY)
    await home.database.write(lambda tx: tx.execute(update(once).values(created=once.c.created - KEPT - 1)))
    assert REPLAYED not in (await client.post("/jobs", json=text_job(model), headers=KEY)).headers
    await home.database.write(lambda tx: tx.execute(update(once).values(created=once.c.created - KEPT - 1)))
    await home.rooms.once.forget()
    assert [] == await home.database.read(lambda tx: tx.execute(once.select()).all())


async def _forget_answer(home, **changes):
    await home.database.write(lambda tx: tx.execute(update(once).values(status=None, body=None, **changes)))
