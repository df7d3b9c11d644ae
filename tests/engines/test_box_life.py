"""How containers are made, limited, found again and removed; which engine is found; and what is said without one."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from engines.boxes.keeper import HARDWARE, SETTINGS, BoxKeeper
from engines.boxes.shelf import Shelf

from headrace.dialects.dialect import Told
from headrace.domain.errors import Unsupported
from headrace.domain.image import ImageConfig
from headrace.domain.reach import Shared
from headrace.domain.replica import Hardware, ImageLaunch, Isolation
from headrace.runners import dial as dialling
from headrace.runners.containers import watch
from headrace.runners.containers.box import Box, body
from headrace.runners.containers.container import Way
from headrace.runners.containers.engine import OURS, REPLICA, Started
from headrace.runners.containers.find import find, own_podman, usual_places
from headrace.runners.containers.plain import Unmixed, ask
from headrace.runners.containers.runner import ContainerRunner, installation
from headrace.runners.image_start import candidate_ports
from headrace.runners.images import Images
from headrace.runners.limits import Limits, written
from headrace.runners.rootfs_sandbox import Root, ids
from headrace.settings import RunnerSettings

ENGINES = pytest.mark.parametrize("kind", ["podman", "docker"])
TOLD = Told("zoo", "1.0.0")
PUBLISHED = True


def inspected(running):
    return ask(running.engine.address, "GET", f"/containers/{running.container}/json")[1]


@ENGINES
async def test_every_limit_is_said(boxes: BoxKeeper) -> None:
    async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
        said = inspected(box.running)
    host, labels = said["HostConfig"], said["Config"]["Labels"]

    assert (256 << 20, 256 << 20) == (host["Memory"], host["MemorySwap"])
    assert (1_000_000_000, 40) == (host["NanoCpus"], host["PidsLimit"])
    assert (True, False, True) == (host["ReadonlyRootfs"], host["Privileged"], host["Init"])
    assert "none" == host["NetworkMode"]
    assert any(one.startswith("no-new-privileges") for one in host["SecurityOpt"])
    assert "size=67108864" in host["Tmpfs"]["/tmp"]
    limits = {one["Name"].lower().removeprefix("rlimit_"): one["Hard"] for one in host["Ulimits"]}
    assert (4096, 64 << 20, 0) == tuple(limits[name] for name in ("nofile", "fsize", "core"))
    assert {OURS, REPLICA} <= labels.keys()
    assert said["Config"]["User"] == "1000:1000"


@ENGINES
async def test_a_container_at_rest_is_hardly_looked_at(boxes: BoxKeeper, monkeypatch) -> None:
    looks: list[Path] = []
    monkeypatch.setattr(watch, "written", lambda folder, shared: looks.append(folder) or written(folder, shared))
    async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
        await asyncio.sleep(1)
        looks.clear()
        await asyncio.sleep(3)
        at_rest = len(looks)
        assert ["fine"] == await box.ask(b"fine")
        async with asyncio.timeout(5):
            while len(looks) == at_rest:
                await asyncio.sleep(0.1)

    assert at_rest <= 2


@ENGINES
async def test_leftovers_of_this_installation_are_removed_and_no_others(
    boxes: BoxKeeper, engine_url: str, tmp_path
) -> None:
    settings = replace(SETTINGS, engine=engine_url)
    shelf = Shelf(boxes.zoo.roots, boxes.zoo.images)
    launch = ImageLaunch("left", boxes.zoo.http().digest, "zoo", HARDWARE)
    left = await boxes.runner.start(launch)
    (tmp_path / "other").mkdir()
    other = ContainerRunner(settings, tmp_path / "other", shelf)
    again = ContainerRunner(settings, boxes.data, shelf)
    try:
        beside = await other.start(launch)
        await again.recover()
        gone = inspected(left)
        alive = inspected(beside)["State"]["Running"]
        await left.ended()
        await beside.stop(0)
    finally:
        await other.close()
        await again.close()

    assert "State" not in gone
    assert alive


@ENGINES
async def test_images_that_are_no_longer_stored_leave_the_engine(boxes: BoxKeeper) -> None:
    """Only those of this installation: the engine may have others."""
    first, second = boxes.zoo.http(), boxes.zoo.oip()
    kept = dict(boxes.zoo.images)
    runner = boxes.runner_on(kept)
    try:
        await runner.prepare(first.digest, lambda _: None)
        del kept[next(key for key, image in kept.items() if image is first)]
        await runner.prepare(second.digest, lambda _: None)
        engine = await runner.open()
        [tag] = await engine.tags(f"localhost/headrace/{installation(boxes.data)[:12]}")
    finally:
        await runner.close()

    assert tag.endswith(second.digest.removeprefix("sha256:"))


@ENGINES
async def test_gpu_units_are_refused_where_there_are_none(boxes: BoxKeeper) -> None:
    with pytest.raises(Unsupported, match="GPU"):
        await boxes.runner.start(ImageLaunch("gpu", boxes.zoo.http().digest, "zoo", Hardware(gpu_units=1)))

    assert [] == list((boxes.data / "containers").glob("*"))


@pytest.mark.usefixtures("podman_url")
async def test_podman_is_started_where_only_its_program_is_there(tmp_path) -> None:
    found = await own_podman(tmp_path, [])
    assert found is not None
    about = (found.engine.name, await found.engine.alive(), (tmp_path / "podman.sock").exists())
    await found.close()

    assert ("podman", True, True) == about
    assert not (tmp_path / "podman.sock").exists()


def test_where_engines_are_looked_for(tmp_path) -> None:
    (tmp_path / "podman").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "podman" / "podman.sock"))
        found = list(usual_places({"DOCKER_HOST": "tcp://127.0.0.1:2375", "XDG_RUNTIME_DIR": str(tmp_path)}))

    assert "tcp://127.0.0.1:2375" == found[0]
    assert f"unix://{tmp_path}/podman/podman.sock" == found[-1]


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ("tcp://192.0.2.1:2375", "is not a container engine of this machine"),
        ("unix:///not/there.sock", "does not answer"),
        ("nonsense", "is not a container engine of this machine"),
    ],
)
async def test_an_engine_that_cannot_be_used(tmp_path, engine: str, says: str) -> None:
    with pytest.raises(Unsupported, match=says):
        await find(engine, tmp_path)


async def test_without_an_engine_and_without_a_sandbox_it_says_what_to_install(tmp_path, zoo) -> None:
    images = Images(RunnerSettings(engine="off", sandbox="off"), tmp_path, Shelf(zoo.roots, zoo.images))
    with pytest.raises(Unsupported) as refused:
        await images.start(ImageLaunch("one", zoo.http().digest, "zoo", HARDWARE))

    assert "container engines are switched off" in refused.value.message
    assert "runners.sandbox is off" in refused.value.message


@pytest.mark.parametrize("kind", ["rootfs"])
async def test_without_an_engine_images_run_in_the_sandbox(boxes: BoxKeeper) -> None:
    images = Images(RunnerSettings(engine="off"), boxes.data, Shelf(boxes.zoo.roots, boxes.zoo.images))
    running = await images.start(ImageLaunch("one", boxes.zoo.http().digest, "zoo", HARDWARE))
    await running.stop(0)

    assert Isolation.SANDBOX is images.isolation


@pytest.mark.parametrize("kind", ["podman", "rootfs"])
async def test_a_helper_enters_the_network_where_a_thread_may_not(boxes: BoxKeeper, kind: str) -> None:
    async with boxes.loaded(boxes.zoo.http(), TOLD) as box:
        way = box.running.way
        pid = way.started.pid if kind == "podman" else way.inside()
        connected = await asyncio.to_thread(dialling.by_helper, pid, 8080)
        with connected:
            connected.settimeout(30)
            connected.sendall(b"GET /status HTTP/1.1\r\nHost: model\r\n\r\n")
            assert connected.recv(12) == b"HTTP/1.1 200"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(dialling.by_helper, pid, 9)


async def test_a_published_port_is_dialled_where_the_namespace_is_out_of_reach(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = Started(0, {8080: server.getsockname()[1]})
        way = Way(started, PUBLISHED, ImageConfig(), None, (8080,), tmp_path)
        with await way.connect(8080) as connected:
            accepted, _ = await asyncio.to_thread(server.accept)
            accepted.close()
            assert connected.getpeername() == server.getsockname()
        with pytest.raises(ConnectionRefusedError):
            await way.connect(9)


def test_a_published_port_is_one_of_this_machine_only(tmp_path) -> None:
    launch = ImageLaunch("one", "sha256:00", "zoo", HARDWARE)
    limits = Limits(1 << 28, 40, 1 << 26, (0,))
    box = Box(launch, "tag", ImageConfig(ports=(9000,)), limits, "i", Shared(tmp_path, "/inside"), PUBLISHED, "profile")
    ports = body(box)["HostConfig"]["PortBindings"]

    assert {"9000/tcp", "8080/tcp"} <= ports.keys()
    assert {"127.0.0.1"} == {one["HostIp"] for found in ports.values() for one in found}


def test_where_a_model_may_listen() -> None:
    said = ImageConfig(environment=(("PSC_MODEL_PORT", "45000"),), ports=(9000,))
    low = ImageConfig(environment=(("PSC_MODEL_PORT", "80"),), ports=(80,))

    assert [45000, 9000] == candidate_ports(said, 0)[:2]
    assert [8080, 80] == candidate_ports(low, 0)[:2]
    assert 7000 == candidate_ports(said, 7000)[0]


def test_who_the_model_is_in_the_sandbox(tmp_path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/:\nmodel:x:1000:1001::/app:\n")

    def found(user: str) -> tuple[int, int]:
        return ids(Root(tmp_path, ImageConfig(user=user), tmp_path))

    assert [(1000, 1000), (1000, 7), (1000, 1001)] == [found(one) for one in ("1000", "1000:7", "model")]
    assert [(65534, 65534)] * 4 == [found(one) for one in ("", "0", "root", "unknown")]
    (tmp_path / "etc" / "passwd").unlink()
    (tmp_path / "etc" / "passwd").symlink_to("/etc/passwd")
    assert (65534, 65534) == found("model")


def test_mixed_streams_are_taken_apart_wherever_they_are_cut() -> None:
    stream = b"".join(
        bytes([kind, 0, 0, 0]) + len(text).to_bytes(4) + text for kind, text in ((1, b"out"), (2, b"errors"))
    )
    for size in range(1, len(stream) + 1):
        frames = Unmixed()
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert b"outerrors" == b"".join(frames.printed(piece) for piece in pieces)
