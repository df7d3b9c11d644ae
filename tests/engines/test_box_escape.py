"""What an image's program tries, to get out or to see more than it should: none of it works, in any of the three."""

import json
import os
import platform
import socket
from pathlib import Path

import pytest
from engines.boxes.keeper import Asked, BoxKeeper

from headrace.dialects.dialect import Told
from headrace.domain.question import Question

EVERYWHERE = pytest.mark.parametrize("kind", ["podman", "docker", "rootfs"])
REFUSED = ("Operation not permitted", "Function not implemented", "Permission denied", "No such process")

# expressions that must end in an error: reading and writing what is the machine's, or not the model's
ERRORS = {
    "read a secret of the server": "open({secret!r}).read()",
    "list the server's data": "os.listdir({data!r})",
    "read the machine's shadow file": "open('/etc/shadow').read()",
    "list the homes": "os.listdir('/home')",
    "read the server's memory": "open('/proc/{server}/mem', 'rb').read(1)",
    "signal the server": "os.kill({server}, 0)",
    "connect to a server of this machine": "connect(('127.0.0.1', {port}))",
    "connect to the internet": "connect(('1.1.1.1', 53))",
    "resolve a name": "connect(('example.org', 80))",
    "ask the cloud for credentials": "connect(('169.254.169.254', 80))",
    "connect to an abstract socket": "socket.socket(socket.AF_UNIX).connect({abstract!r})",
    "connect to docker": "socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')",
    "connect to podman": "socket.socket(socket.AF_UNIX).connect('/run/podman/podman.sock')",
    "write into the root": "open('/x', 'w')",
    "write into /etc": "open('/etc/x', 'w')",
    "write into /usr": "open('/usr/x', 'w')",
    "write beside its program": "open('/app/x', 'w')",
    "change its program": "open('/app/http_model.py', 'a')",
    "write into /proc": "open('/proc/sys/kernel/hostname', 'w').write('x')",
    "trigger a crash": "open('/proc/sysrq-trigger', 'w').write('c')",
    "write into /sys": "open('/sys/x', 'w')",
    "change a kernel setting": "open('/proc/sys/kernel/core_pattern', 'w').write('|/x')",
    "change its group's limits": "open('/sys/fs/cgroup/memory/memory.limit_in_bytes', 'w').write('-1')",
    "make a device": "os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))",
    "read the machine's memory": "open('/dev/mem', 'rb').read(1)",
    "read the kernel's log": "open('/dev/kmsg', 'rb').read(1)",
    "become root": "os.setuid(0)",
    "change a root": "os.chroot('/tmp')",
    "raise its priority": "os.nice(-10)",
    "raise its limits": "__import__('resource').setrlimit(__import__('resource').RLIMIT_FSIZE, (-1, -1))",
}
# calls of the kernel by their numbers on x86_64
CALLS = {
    "mount": "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "unmount": "call(166, b'/tmp', 0)",
    "pivot the root": "call(155, b'/tmp', b'/tmp')",
    "trace the server": "call(101, 16, {server}, 0, 0)",
    "trace the first process": "call(101, 16, 1, 0, 0)",
    "read another process' memory": "call(310, 1, 0, 0, 0, 0, 0)",
    "fork into a user namespace": "call(56, 0x10000011, 0, 0, 0, 0)",
    "keep a key": "call(250, 0, 0)",
    "pass work to the kernel": "call(425, 8, 0)",
    "hold up the kernel": "call(323, 0)",
    "make a user namespace": "call(272, 0x10000000)",
    "enter a namespace": "call(308, 0, 0)",
    "load a kernel module": "call(175, b'', 0, b'')",
    "start another kernel": "call(246, 0, 0, 0, 0)",
    "reboot": "call(169, 0xfee1dead, 672274793, 0, 0)",
    "load a program into the kernel": "call(321, 0, 0, 0)",
    "watch the kernel": "call(298, 0, 0, -1, -1, 0)",
    "set the clock": "call(164, 0, 0)",
    "set the host's name": "call(170, b'x', 1)",
}


@pytest.fixture
async def inside(boxes: BoxKeeper):
    async with boxes.loaded(boxes.zoo.http(), Told("zoo", "1.0.0")) as box:
        yield box


async def look(box: Asked, *expressions: str) -> list:
    """The values of the expressions; an exception's sentence where one was raised."""
    questions = [Question({"input.txt": b"looks", "expression.txt": one.encode()}) for one in expressions]
    answers = await box.answers(questions)
    return [answer.error or json.loads(answer.outputs["results.json"].body)["value"] for answer in answers]


@EVERYWHERE
async def test_thirty_attempts_fail(boxes: BoxKeeper, inside: Asked) -> None:
    secret = boxes.data / "secrets" / "pepper"
    secret.parent.mkdir()
    secret.write_text("canary")
    name = f"\0headrace-box-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(name)
        abstract.listen()
        facts = {
            "secret": str(secret),
            "data": str(boxes.data),
            "server": os.getpid(),
            "port": server.getsockname()[1],
            "abstract": name,
        }
        said = await look(inside, *(attempt.format(**facts) for attempt in ERRORS.values()))

    got_through = {attempt: one for attempt, one in zip(ERRORS, said, strict=True) if "rror" not in str(one)}
    assert {} == got_through


@EVERYWHERE
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the calls are those of x86_64")
async def test_dangerous_calls_are_refused(inside: Asked) -> None:
    said = await look(inside, *(attempt.format(server=os.getpid()) for attempt in CALLS.values()))
    allowed = await look(inside, "call(39)")

    got_through = {attempt: one for attempt, one in zip(CALLS, said, strict=True) if one not in REFUSED}
    assert {} == got_through
    assert [True] == allowed


@EVERYWHERE
async def test_what_it_is_and_what_it_sees(inside: Asked) -> None:
    status, users, others, interfaces, names, files = await look(
        inside,
        "open('/proc/self/status').read()",
        "[os.getuid(), os.getgid()]",
        "sorted(int(name) for name in os.listdir('/proc') if name.isdigit())",
        "sorted(name for _, name in socket.if_nameindex())",
        "sorted(os.environ)",
        "kinds_of_descriptors()",
    )
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)

    assert {"0" * 16} == {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert ("1", "2") == (facts["NoNewPrivs"], facts["Seccomp"])
    assert [1000, 1000] == users
    assert len(others) <= 3
    assert ["lo"] == interfaces
    assert not {"HEADRACE_SECRET", "AWS_SECRET_ACCESS_KEY", "PYTEST_CURRENT_TEST"} & set(names)
    assert {"pipe", "socket", "null"} >= set(files)


@EVERYWHERE
async def test_its_own_places_can_be_written(inside: Asked) -> None:
    places = ("/tmp/x", "/dev/shm/x", "/run/x")
    said = await look(inside, *(f"open({place!r}, 'w').write('x')" for place in places))

    assert [1] * len(places) == said


@EVERYWHERE
async def test_links_in_the_shared_folder_lead_nowhere(boxes: BoxKeeper) -> None:
    """As root inside, the model may put what it likes where the server works: nothing is followed, nothing is lost."""
    etc = _names("/etc")
    async with boxes.loaded(boxes.zoo.http(user="0"), Told("zoo", "1.0.0", outputs=("results.json",))) as box:
        [moved] = await box.ask(b"moves_the_folder")
        [linked] = await look(box, "put_a_link(job)")
        assert ["fine"] == await box.ask(b"good")

    assert "the model did not write its output results.json" == moved
    assert "rror" in linked
    assert etc == _names("/etc")


def _names(folder: str) -> list[Path]:
    return sorted(Path(folder).iterdir())
