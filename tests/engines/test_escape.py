"""What a model in the sandbox tries, to get out or to see more than it should: none of it works."""

import json
import os
import platform
import socket
import threading
from pathlib import Path

import pytest
from engines.keeper import Keeper, answers

from headrace.domain.question import Question


async def look(keeper: Keeper, *expressions: str) -> list:
    """The values of the expressions; an exception's sentence where one was raised."""
    async with keeper.engine("looks_around") as (_, frames):
        await frames.ready(10)
        given = await answers(frames, [Question({"input.txt": one.encode()}) for one in expressions])
    return [answer.error or json.loads(answer.outputs["results.json"].body)["value"] for answer in given]


@pytest.fixture
def listener():
    """A server on this machine that says hello to whoever gets through."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server


async def test_there_is_no_network(sandboxed: Keeper, listener) -> None:
    port = listener.getsockname()[1]
    said = await look(
        sandboxed,
        f"connect(('127.0.0.1', {port}))",
        "connect(('1.1.1.1', 53))",
        "connect(('example.org', 80))",
        "connect(('169.254.169.254', 80))",
        "sorted(name for _, name in socket.if_nameindex())",
    )

    assert "ConnectionRefusedError" in said[0]
    assert all("OSError" in one or "gaierror" in one for one in said[1:4])
    assert ["lo"] == said[4]


async def test_the_same_connection_works_outside(plain: Keeper, listener) -> None:
    """The judge of the test above: without the sandbox the model does get through."""

    def greet() -> None:
        with listener.accept()[0] as connection:
            connection.sendall(b"hello")

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()

    assert ["hello"] == await look(plain, f"connect(('127.0.0.1', {listener.getsockname()[1]}))")
    thread.join()


async def test_an_abstract_socket_of_the_machine_is_not_seen(sandboxed: Keeper) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0headrace-test-{os.getpid()}")
        server.listen()
        [said] = await look(sandboxed, f"socket.socket(socket.AF_UNIX).connect('\\0headrace-test-{os.getpid()}')")

    assert "ConnectionRefusedError" in said


async def test_files_of_the_machine_are_not_seen(sandboxed: Keeper) -> None:
    secret = sandboxed.data / "secrets" / "pepper"
    secret.parent.mkdir()
    secret.write_text("canary")
    said = await look(
        sandboxed,
        f"open({str(secret)!r}).read()",
        f"os.listdir({str(sandboxed.data)!r})",
        "open('/etc/shadow').read()",
        "open('/etc/hostname').read()",
        "os.listdir('/home')",
        "os.listdir('/var')",
        "os.listdir('/sys')",
    )
    hidden = ("/root/.bashrc", "/root/.profile", "/etc/hostname", str(Path(__file__).parents[2] / "README.md"))
    [environment, *seen] = await look(
        sandboxed, "open('/proc/1/environ').read()", *(f"os.path.exists('/proc/1/root{path}')" for path in hidden)
    )

    assert all("Error" in one for one in said), said
    assert "" == environment
    assert [False] * len(hidden) == seen


async def test_nothing_of_the_machine_can_be_written(sandboxed: Keeper) -> None:
    places = ("/x", "/dev/x", "/etc/x", "/usr/x", "/headrace/model/x", "/headrace/harness/x", "/headrace/x", "/proc/x")
    said = await look(
        sandboxed,
        *(f"open({place!r}, 'w')" for place in places),
        "open('/headrace/model/looks_around.py', 'a')",
        "os.chmod('/headrace/model/looks_around.py', 0o777)",
        "open(os.path.join(os.path.dirname(os.__file__), 'x'), 'w')",
    )

    assert all("Error" in one for one in said), said


async def test_the_kernels_settings_cannot_be_written(sandboxed: Keeper) -> None:
    """Asked, or opened and not written: where a sandbox leaks, a test must not change the machine that it runs on.

    A server that runs as root is the owner of these files, with or without rights.
    """
    [said] = await look(
        sandboxed,
        "[path for path in walk('/proc/sys') if os.access(path, os.W_OK)]"
        " + [path for path in ('/proc/sysrq-trigger', '/proc/irq', '/proc/bus') if os.access(path, os.W_OK)]",
    )

    assert [] == said


async def test_its_own_places_can_be_written(sandboxed: Keeper) -> None:
    said = await look(
        sandboxed,
        *(f"open({place!r}, 'w').write('x')" for place in ("/tmp/x", "/dev/shm/x", "/headrace/work/x")),
        "os.environ['HOME']",
    )

    assert [1, 1, 1, "/headrace/work"] == said


async def test_other_processes_are_not_seen(sandboxed: Keeper) -> None:
    others, kill, user, groups = await look(
        sandboxed,
        "sorted(int(name) for name in os.listdir('/proc') if name.isdigit())",
        f"os.kill({os.getpid()}, 0)",
        "[os.getuid(), os.geteuid(), os.getgid()]",
        "os.getgroups()",
    )

    assert len(others) <= 3
    assert "ProcessLookupError" in kill
    assert [65534] * 3 == user
    assert 0 not in groups


async def test_nothing_of_our_environment_is_passed_on(keeper: Keeper, monkeypatch) -> None:
    monkeypatch.setenv("HEADRACE_SECRET", "canary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    [names] = await look(keeper, "sorted(os.environ)")

    ours = {"HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "LC_CTYPE", "PWD"}
    ours |= {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}
    assert set(names) - ours == {name for name in names if name.endswith("_NUM_THREADS")}


async def test_it_has_no_rights(sandboxed: Keeper) -> None:
    [status] = await look(sandboxed, "open('/proc/self/status').read()")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)

    assert {"0" * 16} == {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    assert ("1", "2") == (facts["NoNewPrivs"], facts["Seccomp"])


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the calls are those of x86_64")
@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("call(101, 16, 1, 0, 0)", "Operation not permitted"),  # ptrace
        ("call(165, b'none', b'/tmp', b'tmpfs', 0, 0)", "Operation not permitted"),  # mount
        ("call(272, 0x10000000)", "Operation not permitted"),  # unshare, a new user namespace
        ("call(56, 0x10000011, 0, 0, 0, 0)", "Operation not permitted"),  # clone, the same
        ("call(435, 0, 0)", "Function not implemented"),  # clone3
        ("call(250, 0, 0)", "Operation not permitted"),  # keyctl
        ("call(29, 0, 1 << 20, 0o1600)", "Operation not permitted"),  # shmget: memory that nobody is charged for
        ("call(321, 0, 0, 0)", "Operation not permitted"),  # bpf
        ("call(425, 8, 0)", "Operation not permitted"),  # io_uring_setup
        ("call(323, 0)", "Operation not permitted"),  # userfaultfd
        ("call(161, b'/')", "Operation not permitted"),  # chroot
        ("call(0x40000000 + 39)", "Operation not permitted"),  # the x32 interface
        ("call(39) > 0", True),  # getpid: what a program needs goes through
    ],
)
async def test_dangerous_calls_are_refused(sandboxed: Keeper, call: str, says: object) -> None:
    assert [says] == await look(sandboxed, call)


async def test_a_variable_of_the_model_reaches_the_model_only(sandboxed: Keeper) -> None:
    """LD_PRELOAD would otherwise be loaded into bubblewrap itself, which is still outside."""
    launch = sandboxed.launch("looks_around", environment=(("LD_PRELOAD", "/not/there.so"), ("COLOUR", "red")))
    running = await sandboxed.runner.start(launch)
    try:
        folder = Path(f"/proc/{running.guard.pid}")
        assert b"LD_PRELOAD" not in (folder / "environ").read_bytes()
    finally:
        running.connection.close()
        await running.stop(0)


async def test_it_inherits_its_sockets_and_its_progress_cell(keeper: Keeper) -> None:
    [targets] = await look(
        keeper, "[os.readlink(f'/proc/self/fd/{number}') for number in range(3, 1_000) if is_open(number)]"
    )

    assert {"/memfd:headrace-progress (deleted)", "socket"} == {target.partition(":[")[0] for target in targets}
    assert 4 == len(targets)  # the connection, the lane by which memory comes that both may read, and that of calls
