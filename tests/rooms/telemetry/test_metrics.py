"""Families become Prometheus text, and every room tells its own."""

from pathlib import Path

import pytest
from rooms.api.house import house

from headrace.domain.account import Role
from headrace.domain.errors import StorageFailed
from headrace.settings import ServerSettings
from headrace.telemetry.metrics import Family, Kind, Metrics, Sample, counter, gauge, histogram, render
from headrace.telemetry.process import process

SOUND = 'a "quoted" \\ name\nin two lines'


def values(text: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line and not line.startswith("#")
    }


def test_families_are_told_with_help_type_and_labels():
    family = Family("jobs", Kind.GAUGE, "Jobs\nthat wait", [Sample(3, (("name", SOUND),)), Sample(0.5)])

    assert [
        "# HELP jobs Jobs\\nthat wait",
        "# TYPE jobs gauge",
        'jobs{name="a \\"quoted\\" \\\\ name\\nin two lines"} 3',
        "jobs 0.5",
        "",
    ] == render([family]).decode().split("\n")


def test_families_of_one_name_are_told_together():
    told = render([gauge("a", "A", 1), gauge("b", "B", 2), gauge("a", "A", 3)]).decode()

    assert ["# HELP a A", "# TYPE a gauge", "a 1", "a 3"] == told.splitlines()[:4]


def test_a_histogram_counts_up():
    samples = histogram((0.1, 1.0), [2, 1, 4], 9.5, (("model", "m"),))
    told = render([Family("s", Kind.HISTOGRAM, "", samples)]).decode().splitlines()[2:]

    assert [
        's_bucket{model="m",le="0.1"} 2',
        's_bucket{model="m",le="1.0"} 3',
        's_bucket{model="m",le="+Inf"} 7',
        's_sum{model="m"} 9.5',
        's_count{model="m"} 7',
    ] == told


async def test_a_source_that_fails_is_counted_and_the_others_are_told(caplog: pytest.LogCaptureFixture):
    async def broken():
        raise StorageFailed("the disk is full")

    async def sound():
        return [counter("fine", "", 1)]

    metrics = Metrics([broken])
    metrics.add(sound)

    assert {"fine": 1, "headrace_metrics_failures_total": 1} == values((await metrics.text()).decode())
    assert "the disk is full" in caplog.text


async def test_the_process_is_told():
    told = values(render(await process()).decode())

    assert told["process_resident_memory_bytes"] > 1 << 20
    assert 0 < told["process_cpu_seconds_total"] < 3600
    assert 1.6e9 < told["process_start_time_seconds"] < 4e9


async def test_every_room_tells_its_own(tmp_path: Path):
    async with house(tmp_path) as home, home.client() as client:
        model = await home.publish(client)
        sources = {"one": {"input.txt": "hello"}, "two": {"input.txt": "no"}}
        job = {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": sources}}
        identifier = (await client.post("/jobs", json=job)).json()["jobIdentifier"]
        while not (await client.get(f"/results/{identifier}")).json()["finished"]:
            pass
        answer = await client.get("http://localhost/metrics")
        told = values(answer.text)

    at = f'model="{model}",version="1.0.0"'
    assert "text/plain; version=0.0.4; charset=utf-8" == answer.headers["content-type"]
    assert (1, 2, 2, 1) == tuple(
        told[f"headrace_{name}_total"] for name in ("jobs_submitted", "inputs_submitted", "results", "result_errors")
    )
    assert (1, 1) == (told[f"nv_inference_request_success{{{at}}}"], told[f"nv_inference_count{{{at}}}"])
    assert 1 == told[f'nv_inference_request_failure{{{at},reason="BACKEND"}}']
    assert 2 == told[f"headrace_inference_seconds_count{{{at}}}"]
    assert 2 == told[f'request_predict_seconds_count{{model_name="{model}",model_version="1.0.0"}}']
    assert 0 == told["headrace_oldest_input_of_all_seconds"]
    assert 1 == told['headrace_http_requests_total{route="/api/jobs",method="POST",code="202"}']
    assert told["headrace_engines_limit"] >= 4


async def test_the_oldest_waiting_input_has_an_age(tmp_path: Path):
    async with house(tmp_path) as home, home.client() as client:
        model = await home.publish(client)
        sources = {"one": {"input.txt": "wait"}, "two": {"input.txt": "b"}, "three": {"input.txt": "c"}}
        job = {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": sources}}
        await client.post("/jobs", json=job)
        while True:
            told = values((await client.get("http://localhost/metrics")).text)
            if told.get(f'headrace_oldest_input_seconds{{model="{model}",version="1.0.0"}}', 0) > 0:
                break
        home.talker.door.set()

    assert 1 == told[f'headrace_jobs_waiting{{model="{model}",version="1.0.0"}}']
    assert told[f'headrace_inputs_waiting{{model="{model}",version="1.0.0"}}'] in {2, 3}


async def test_metrics_need_a_key_that_may_see_the_teams_work(home):
    async with home.client(key="nobody.nothing") as stranger:
        assert 401 == (await stranger.get("http://localhost/metrics")).status_code
    async with home.client(key=await home.key_of("dev@example.com", Role.DEVELOPER)) as developer:
        assert 403 == (await developer.get("http://localhost/metrics")).status_code
    async with home.client(key=await home.key_of("eye@example.com", Role.AUDITOR)) as auditor:
        assert 200 == (await auditor.get("http://localhost/metrics")).status_code


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 200), ("0.0.0.0", 401)])
async def test_open_metrics_are_open_on_loopback_only(tmp_path: Path, host: str, status: int):
    settings = ServerSettings(host=host, metrics_open=True)
    async with house(tmp_path, settings) as home, home.client(key="nobody.nothing") as anybody:
        assert status == (await anybody.get("http://localhost/metrics")).status_code
