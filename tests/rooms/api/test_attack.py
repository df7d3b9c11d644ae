"""Schemathesis makes requests from our own document, right and wrong ones: none may end in a 5xx, none undocumented."""

import asyncio

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = 12  # for each operation; more find nothing more here, only slower
KEYS = "access-keys"  # switching off the key that asks would end the attack


@pytest.fixture
async def known(home, client):
    """Identifiers that exist, so that more than a 404 is attacked."""
    active = await home.publish(client)
    draft = (await client.post("/models", json={"name": "draft", "version": "1.0.0"})).json()["identifier"]
    model = {"identifier": active, "version": "1.0.0"}
    sources = {"a": {"input.txt": "hi"}, "b": {"input.txt": "no"}}
    done = (await client.post("/jobs", json={"model": model, "input": {"type": "text", "sources": sources}})).json()
    unfilled = (await client.post("/jobs", json={"model": model})).json()
    return {
        "job": [done["jobIdentifier"], unfilled["jobIdentifier"]],
        "model": [active, draft],
        "version": ["1.0.0"],
        "account": ["acme"],
        "input": ["a", "b"],
        "output": ["results.json", "raw.bin"],
        "relation": ["card"],
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_no_request_breaks_the_server(home, client, known):
    document = (await client.get("/openapi.json")).json()
    operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
    loop = asyncio.get_running_loop()

    def attack(operation, allowed):
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), picks=st.data())
        def one(case, picks):
            for name in set(case.path_parameters or {}) & set(known):
                if picks.draw(st.booleans()):
                    case.path_parameters[name] = picks.draw(st.sampled_from(known[name]))
            request = requests.Request(**case.as_transport_kwargs(base_url="http://localhost")).prepare()
            answer = asyncio.run_coroutine_threadsafe(_send(home, request), loop).result(30)
            assert answer.status_code in allowed, f"{request.method} {request.url}: {answer.status_code} {answer.text}"
            if answer.status_code >= 400:
                assert answer.json()["message"]

        one()

    assert len(operations) > 60
    for operation in operations:
        if KEYS not in operation.path:
            documented = document["paths"][operation.path][operation.method]["responses"]
            allowed = {int(status) for status in documented if int(status) < 500}
            await asyncio.to_thread(attack, operation, allowed)


async def _send(home, request):
    headers = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
    async with home.client() as client:
        return await client.request(request.method, request.url, headers=headers, content=request.body)
