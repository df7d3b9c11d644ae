"""Jobs and results through the doors: what every client relies on (contracts/modzy.md, the ten rules, A.6, A.7)."""

import asyncio
import re
import uuid
from urllib.parse import quote

import pytest

from headrace.domain.account import Role

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")


def text_job(model, sources, **more):
    return {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": sources}, **more}


def open_job(model):
    return {"model": {"identifier": model, "version": "1.0.0"}}


async def over(client, job):
    async with asyncio.timeout(10):
        while not (found := (await client.get(f"/results/{job}")).json())["finished"]:
            await asyncio.sleep(0.01)
    return found


@pytest.fixture
async def model(home, client):
    return await home.publish(client)


async def test_submit_and_its_receipt(home, client, model):
    answer = await client.post("/jobs", json=text_job(model, {"a": {"input.txt": "hi"}, "b": {"input.txt": "no"}}))
    receipt = answer.json()

    assert 202 == answer.status_code
    assert [
        "model", "status", "totalInputs", "jobIdentifier", "accessKey", "explain", "jobType", "accountIdentifier",
        "team", "user", "jobInputs", "inputByteAmount", "submittedAt", "hoursDeleteInput", "imageClassificationModel",
        "timeout",
    ] == list(receipt)  # fmt: skip
    assert {"identifier": model, "version": "1.0.0", "name": "echo"} == receipt["model"]
    assert ("SUBMITTED", 2, 4, "batch") == tuple(
        receipt[name] for name in ("status", "totalInputs", "inputByteAmount", "jobType")
    )
    assert {"identifier": ["a", "b"]} == receipt["jobInputs"]
    assert home.key.split(".")[0] == receipt["accessKey"]
    assert str(uuid.UUID(receipt["jobIdentifier"])) == receipt["jobIdentifier"]
    assert TIME.fullmatch(receipt["submittedAt"])
    assert b'"status":"SUBMITTED"' in answer.content
    assert answer.content.index(b'"status"') < answer.content.index(b'"user"')


async def test_results_of_all_kinds(client, model):
    sources = {"a": {"input.txt": "hi"}, "": {"input.txt": "yo"}, "no": {"input.txt": "no"}, "x": {"wrong": "?"}}
    job = (await client.post("/jobs", json=text_job(model, sources))).json()["jobIdentifier"]
    found = await over(client, job)

    assert (4, 2, 2, True) == tuple(found[name] for name in ("total", "completed", "failed", "finished"))
    assert {"a", ""} == set(found["results"])
    good = found["results"]["a"]
    assert ("SUCCESSFUL", {"said": "hi"}, "hi") == (good["status"], good["results.json"], good["note.txt"])
    assert f"http://localhost/api/results/{job}/a/raw.bin" == good["raw.bin"]
    assert {"up": 0, "down": 0} == good["voting"]
    assert 1.5 == good["modelLatency"]
    for name in ("startTime", "updateTime", "endTime"):
        assert TIME.fullmatch(good[name])
    for name in ("queueTime", "elapsedTime", "inputFetching"):
        assert int is type(good[name])
    assert ("FAILED", "it says no") == (found["failures"]["no"]["status"], found["failures"]["no"]["error"])
    assert "input.txt" in found["failures"]["x"]["error"]


async def test_results_are_held_until_there_are_some(home, client, model):
    job = (await client.post("/jobs", json=text_job(model, {"a": {"input.txt": "wait"}}))).json()["jobIdentifier"]
    held = asyncio.ensure_future(client.get(f"/results/{job}"))
    done, _ = await asyncio.wait([held], timeout=0.05)
    assert not done
    home.talker.door.set()
    assert (await held).json()["finished"]


async def test_an_open_job_is_not_held(client, model):
    receipt = (await client.post("/jobs", json=open_job(model))).json()
    assert ("OPEN", {"identifier": []}) == (receipt["status"], receipt["jobInputs"])
    async with asyncio.timeout(1):
        found = (await client.get(f"/results/{receipt['jobIdentifier']}")).json()
    assert ({}, {}, False) == (found["results"], found["failures"], found["finished"])


@pytest.mark.parametrize("name", ["a", "", "ä/ö 😀", "final report.pdf", "a%2Fb", "datasource", "..."])
async def test_chunks_of_files_with_any_name(client, model, name):
    job = (await client.post("/jobs", json=open_job(model))).json()["jobIdentifier"]
    path = f"/jobs/{job}/{quote(name, safe='')}/input.txt"
    for piece in (b"first ", b"second"):
        answer = await client.post(path, files={"input": ("input", piece)})
        assert (202, b"") == (answer.status_code, answer.content)
    closed = await client.post(f"/jobs/{job}/close", json={})
    assert (202, "SUBMITTED", {"identifier": [name]}) == (
        closed.status_code,
        closed.json()["status"],
        closed.json()["jobInputs"],
    )

    result = (await over(client, job))["results"][name]
    assert "first second" == result["note.txt"]
    assert bytes(range(256)) == (await client.get(result["raw.bin"])).content


async def test_chunks_as_java_sends_them(client, model):
    job = (await client.post("/jobs", json=open_job(model))).json()["jobIdentifier"]
    body = b'--q\r\nContent-Disposition: form-data; name="input"; filename="input.txt"\r\n\r\nhi\r\n--q--\r\n'
    headers = {"Content-Type": "multipart/mixed; boundary=q", "Accept": "multipart/form-data"}
    assert 202 == (await client.post(f"/jobs/{job}/a/input.txt", content=body, headers=headers)).status_code


async def test_a_chunk_that_is_larger_than_announced(client, model):
    assert "8M" == (await client.get("/jobs/features")).json()["input_chunk_maximum_size"]
    job = (await client.post("/jobs", json=open_job(model))).json()["jobIdentifier"]
    answer = await client.post(f"/jobs/{job}/a/input.txt", files={"input": ("input", b"x" * (9 << 20))})
    assert (413, 413) == (answer.status_code, answer.json()["statusCode"])


async def test_details_history_and_cancel(home, client, model):
    job = (await client.post("/jobs", json=text_job(model, {"a": {"input.txt": "wait"}}))).json()["jobIdentifier"]
    details = (await client.get(f"/jobs/{job}")).json()
    assert [{"identifier": "a"}] == details["jobInputs"]
    assert ("admin@example.com", 1) == (details["submittedBy"], details["total"])
    assert [{"prefix": home.key.split(".")[0], "isDefault": True}] == details["user"]["accessKeys"]
    assert [job] == [one["jobIdentifier"] for one in (await client.get(f"/jobs/history/{job}")).json()]

    canceled = await client.delete(f"/jobs/{job}")
    assert (202, "CANCELED") == (canceled.status_code, canceled.json()["status"])
    assert "CANCELED" == (await client.delete(f"/jobs/{job}")).json()["status"]
    assert (await client.get(f"/results/{job}")).json()["finished"]
    assert [] == (await client.delete("/jobs")).json()


async def test_history_pages_and_filters(home, client, model):
    for n in range(3):
        await client.post("/jobs", json=text_job(model, {str(n): {"input.txt": "no"}}))
    first = await client.get("/jobs/history", params={"per-page": 2, "sort-by": "createdAt", "direction": "asc"})
    assert 2 == len(first.json())
    links = dict(re.findall(r'<([^>]+)>; rel="(\w+)"', first.headers["link"]))
    [following] = [url for url, name in links.items() if name == "next"]
    second = await client.get(following)
    assert 1 == len(second.json())
    assert "next" not in second.headers.get("link", "")
    assert 3 == len((await client.get("/jobs/history", params={"page": 0})).json())

    async def count(**params):
        return len((await client.get("/jobs/history", params=params)).json())

    prefix = home.key.split(".")[0]
    assert 3 == await count(user="ADMIN", model="ech", accessKey=prefix, status="All", modelVersion="1.0.0")
    assert 3 == await count(startDate="2020-01-01T00:00:00.000", endDate="2100-01-01T00:00:00 0000")
    assert 0 == await count(user="nobody")
    assert 0 == await count(model="other")
    assert 3 == len((await client.get("/jobs")).json())
    [used] = (await client.get("/jobs/statistics")).json()
    assert (prefix, 3, 3) == (used["accessKey"], used["jobsCount"], used["modelsList"][0]["processedJobsCount"])
    assert used == (await client.get(f"/jobs/statistics/{prefix}")).json()


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"endDate": "2024-01-01"}, "startDate"),
        ({"startDate": "2100-01-01"}, "future"),
        ({"startDate": "soon"}, "`startDate` should be a time"),
        ({"status": "sleeping"}, "`status` should be one of"),
        ({"sort-by": "weather"}, "`sort-by` should be one of"),
        ({"direction": "up"}, "`direction` should be ASC or DESC"),
        ({"page": "x"}, "`page` should be a whole number"),
        ({"page": "-1"}, "`page` should be 1 or more"),
        ({"per-page": "0"}, "`per-page` should be between"),
    ],
)
async def test_history_says_what_is_wrong(client, params, says):
    answer = await client.get("/jobs/history", params=params)
    assert 400 == answer.status_code
    assert says in answer.json()["message"]


async def test_one_result_and_votes(client, model):
    job = (await client.post("/jobs", json=text_job(model, {"a/b": {"input.txt": "hi"}}))).json()["jobIdentifier"]
    await over(client, job)
    one = (await client.get(f"/results/{job}/datasource/a%2Fb")).json()
    assert ("a/b", {"said": "hi"}, job) == (one["inputName"], one["result"]["results.json"], one["job"]["identifier"])
    raw = await client.get(f"/results/{job}/datasource/a%2Fb/output/results.json")
    assert ({"said": "hi"}, "application/json") == (raw.json(), raw.headers["content-type"])

    assert {"vote": "NO_VOTES"} == (await client.get(f"/results/{job}/vote/a%2Fb")).json()
    assert b"" == (await client.post(f"/results/{job}/upvote/a%2Fb")).content
    assert {"vote": "UP"} == (await client.get(f"/results/{job}/vote/a%2Fb")).json()
    assert {"up": 1, "down": 0} == (await client.get(f"/results/{job}")).json()["results"]["a/b"]["voting"]
    await client.post(f"/results/{job}/downvote/a%2Fb")
    assert {"vote": "DOWN"} == (await client.get(f"/results/{job}/vote/a%2Fb")).json()
    await client.delete(f"/results/{job}/vote/a%2Fb")
    assert {"vote": "NO_VOTES"} == (await client.get(f"/results/{job}/vote/a%2Fb")).json()


async def test_what_a_browser_could_run_is_only_offered_for_saving(client, model):
    job = (await client.post("/jobs", json=text_job(model, {"a": {"input.txt": "hi"}}))).json()["jobIdentifier"]
    await over(client, job)
    raw = await client.get(f"/results/{job}/a/raw.bin")
    assert "attachment; filename*=UTF-8''raw.bin" == raw.headers["content-disposition"]
    assert "nosniff" == raw.headers["x-content-type-options"]
    assert "content-disposition" not in (await client.get(f"/results/{job}/a/note.txt")).headers


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/{}",
        "/results/{}",
        "/jobs/history/{}",
        "/results/{}/a/b",
        "/results/{}/datasource/a",
        "/results/{}/vote/a",
    ],
)
@pytest.mark.parametrize("job", ["7c1f3a52-9f0a-4f0e-9a55-0d3a6f6c2b11", "nothing", "%2F.."])
async def test_an_unknown_job(client, path, job):
    answer = await client.get(path.format(job))
    assert (404, "NOT_FOUND") == (answer.status_code, answer.json()["status"])


async def test_what_a_job_lacks(client, model):
    unknown = await client.post("/jobs", json=text_job("nosuchmode", {"a": {"k": "v"}}))
    assert (404, "Model nosuchmode not found") == (unknown.status_code, unknown.json()["message"])
    assert 400 == (await client.post("/jobs", content=b"{")).status_code
    assert 400 == (await client.post("/jobs")).status_code
    job = (await client.post("/jobs", json=text_job(model, {"a": {"input.txt": "hi"}}))).json()["jobIdentifier"]
    await over(client, job)
    assert 404 == (await client.get(f"/results/{job}/b/note.txt")).status_code
    missing = await client.get(f"/results/{job}/a/other.txt")
    assert "its outputs: results.json, note.txt, raw.bin" in missing.json()["message"]
    assert 409 == (await client.post(f"/jobs/{job}/close")).status_code
    assert 409 == (await client.post(f"/jobs/{job}/a/input.txt", files={"input": b"x"})).status_code


async def test_others_do_not_see_it(home, client, model):
    job = (await client.post("/jobs", json=text_job(model, {"a": {"input.txt": "hi"}}))).json()["jobIdentifier"]
    async with home.client(await home.key_of("bob@example.com", Role.DEVELOPER)) as bob:
        assert 404 == (await bob.get(f"/jobs/{job}")).status_code
        assert 404 == (await bob.get(f"/results/{job}")).status_code
        assert [] == (await bob.get("/jobs/history")).json()
        assert 404 == (await bob.post("/jobs", json=text_job(model, {"a": {"k": "v"}}))).status_code
    async with home.client(await home.key_of("eve@example.com", Role.AUDITOR)) as auditor:
        assert 200 == (await auditor.get(f"/jobs/{job}")).status_code
        assert 403 == (await auditor.delete(f"/jobs/{job}")).status_code
        assert 403 == (await auditor.post("/jobs", json=text_job(model, {"a": {"k": "v"}}))).status_code


async def test_many_results_are_streamed_whole(client, model):
    sources = {f"input-{n}": {"input.txt": "no" if n % 10 == 0 else str(n)} for n in range(2_500)}
    job = (await client.post("/jobs", json=text_job(model, sources))).json()["jobIdentifier"]
    found = await over(client, job)
    assert (2_250, 250) == (len(found["results"]), len(found["failures"]))
    assert {"said": "1234"} == found["results"]["input-1234"]["results.json"]
    assert 1_000 == len((await client.get(f"/jobs/{job}")).json()["jobInputs"])
