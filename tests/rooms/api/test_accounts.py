"""Who asks: the gate, users, teams, keys (contracts/modzy.md, A.1, A.8)."""

import pytest

from headrace.domain.account import Role


async def test_without_a_key_nothing_but_signs_of_life(home):
    async with home.client(Authorization="") as nobody:
        answer = await nobody.get("/models")
        assert (401, "ApiKey") == (answer.status_code, answer.headers["www-authenticate"])
        assert "Authorization: ApiKey prefix.body" in answer.json()["message"]
        for path in ("/livez", "/readyz", "/", "/api/docs", "/api/openapi.json"):
            assert 200 == (await nobody.get(f"http://localhost{path}")).status_code
        assert 404 == (await nobody.get("/nothing")).status_code


async def test_a_key_in_every_clients_way(home):
    for scheme in ("ApiKey", "apikey", "Bearer"):
        async with home.client(Authorization=f"{scheme} {home.key}") as client:
            assert 200 == (await client.get("/models")).status_code


async def test_a_team_that_is_not_the_keys(client):
    [team] = (await client.get("/accounting/teams")).json()
    assert 200 == (await client.get("/models", headers={"Modzy-Team-Id": team["identifier"]})).status_code
    assert 403 == (await client.get("/models", headers={"Modzy-Team-Id": "other"})).status_code


async def test_a_new_user_and_the_key(home, client):
    body = {"email": "ann@example.com", "firstName": "Ann", "lastName": "Lee", "roles": ["DATA_SCIENTIST"]}
    made = await client.post("/accounting/accounts/acme/users", json=body)
    assert 201 == made.status_code
    [key] = made.json()["accessKeys"]
    shown = await client.post(f"/accounting/access-keys/{key['prefix']}/hash")
    ann_key = f"{key['prefix']}.{shown.json()['hash']}"
    async with home.client(ann_key) as ann:
        details = (await ann.get(f"/accounting/access-keys/{key['prefix']}")).json()
        assert (["DATA_SCIENTIST", "TEAM_ROLE"], "Active", "ann@example.com") == (
            details["roles"],
            details["status"],
            details["user"]["email"],
        )
        assert [details["prefix"]] == [
            one["prefix"] for one in (await ann.get("/accounting/access-keys/user/ann@example.com")).json()
        ]
        assert ["ann@example.com"] == [one["email"] for one in (await ann.get("/accounting/users")).json()]
        assert 404 == (await ann.get(f"/accounting/access-keys/{home.key.split('.')[0]}")).status_code
        assert 404 == (await ann.get("/accounting/access-keys/user/admin@example.com")).status_code
        assert 403 == (await ann.post("/accounting/accounts/acme/users", json=body)).status_code
        identifiers = {one["identifier"] for one in (await ann.get("/accounting/entitlements")).json()}
        assert "CAN_PATCH_PROCESSING_MODEL_VERSION" in identifiers
        await client.patch(f"/accounting/access-keys/{key['prefix']}", json={"status": "inactive"})
        assert 401 == (await ann.get("/models")).status_code
    assert 409 == (await client.post("/accounting/accounts/acme/users", json=body)).status_code


async def test_roles_are_case_sensitive_and_nobody_is_promoted(home, client):
    prefix = (await home.key_of("bob@example.com", Role.DEVELOPER)).split(".")[0]
    path = f"/accounting/access-keys/{prefix}/roles"
    wrong = await client.put(path, json={"roles": ["developer"]})
    assert 400 == wrong.status_code
    assert "Developer" in wrong.json()["message"]
    assert ["DATA_SCIENTIST", "TEAM_ROLE"] == (await client.put(path, json={"roles": ["DATA_SCIENTIST"]})).json()[
        "roles"
    ]
    async with home.client(await home.key_of("lead@example.com", Role.ACCOUNT_ADMIN)) as lead:
        assert 403 == (await lead.put(path, json={"roles": ["SYSTEM_OWNER"]})).status_code
        body = {"email": "x@example.com", "roles": ["SYSTEM_OWNER"]}
        assert 403 == (await lead.post("/accounting/accounts/acme/users", json=body)).status_code


async def test_another_key_for_a_user(home, client):
    await home.key_of("bob@example.com", Role.DEVELOPER)
    made = await client.post("/accounting/access-keys", json={"user": "bob@example.com", "roles": ["Auditor"]})
    assert 201 == made.status_code
    async with home.client(f"{made.json()['prefix']}.{made.json()['hash']}") as auditor:
        assert 200 == (await auditor.get("/jobs/history")).status_code


async def test_the_rest_of_the_account(home, client):
    [account] = (await client.get("/accounting/accounts")).json()
    assert account == (await client.get("/accounting/accounts/acme")).json()
    assert 404 == (await client.get("/accounting/accounts/other")).status_code
    assert [] == (await client.get("/accounting/projects")).json()
    assert 404 == (await client.get("/accounting/projects/x")).status_code
    assert {"companyName": "acme", "processingEngines": str(home.rooms.fleet.limit)} == (
        await client.get("/license")
    ).json()
    found = await client.post("/accounting/users/search", json={"identifiers": ["ADMIN@example.com", "x@y.z"]})
    assert ["admin@example.com"] == [one["email"] for one in found.json()]


@pytest.mark.parametrize("path", ["/resources/processing/engines", "/resources/processing/models"])
async def test_resources(client, path):
    assert [] == (await client.get(path)).json()


async def test_a_key_never_gives_away_more_than_it_is(home, client):
    boss = home.key.split(".")[0]
    async with home.client(await home.key_of("lead@example.com", Role.ACCOUNT_ADMIN)) as lead:
        assert (
            403
            == (
                await lead.post("/accounting/access-keys", json={"user": "admin@example.com", "roles": ["Developer"]})
            ).status_code
        )
        assert (await lead.post(f"/accounting/access-keys/{boss}/hash")).status_code in {403, 404}
    weak = await client.post("/accounting/access-keys", json={"user": "admin@example.com", "roles": ["Developer"]})
    async with home.client(f"{weak.json()['prefix']}.{weak.json()['hash']}") as same_user:
        answer = await same_user.post(f"/accounting/access-keys/{boss}/hash")
        assert 403 == answer.status_code
        assert "gain roles" in answer.json()["message"]


async def test_quotas_are_made_read_changed_and_removed(home, client):
    key = await home.key_of("ann@example.com", Role.DEVELOPER)
    body = {"user": "ann@example.com", "quota": 5, "period": "daily"}
    made = await client.post("/accounting/quotas", json=body)
    assert 201 == made.status_code
    path = f"/accounting/quotas/{made.json()['identifier']}"
    assert (5, 0, "daily") == tuple(made.json()[name] for name in ("quota", "used", "period"))
    async with home.client(key) as ann:
        assert [made.json()] == (await ann.get("/accounting/quotas")).json()
        assert 403 == (await ann.patch(path, json={"quota": 1_000_000})).status_code
    async with home.client(await home.key_of("bob@example.com", Role.DEVELOPER)) as bob:
        assert [] == (await bob.get("/accounting/quotas")).json()
        assert 404 == (await bob.get(path)).status_code
    assert 7 == (await client.patch(path, json={"quota": 7, "period": "daily"})).json()["quota"]
    assert 204 == (await client.delete(path)).status_code
    assert 404 == (await client.get(path)).status_code


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 400, "one of `user`"),
        ({"user": "a", "team": "b"}, 400, "only one"),
        ({"user": "nobody@example.com"}, 404, "nobody"),
        ({"user": "admin@example.com", "period": "fortnightly"}, 400, "hourly"),
        ({"user": "admin@example.com", "quota": -1}, 400, "quota"),
        ({"user": "admin@example.com", "period": "daily", "from": "2026-01-01T00:00:00"}, 400, "period"),
    ],
)
async def test_a_wrong_quota_is_told_why(client, body, status, says):
    answer = await client.post("/accounting/quotas", json=body)
    assert status == answer.status_code
    assert says in answer.json()["message"]
