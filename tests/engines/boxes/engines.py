"""Real container engines for tests: a podman service and a dockerd of our own, with storage of their own."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from headrace.domain.errors import Unavailable
from headrace.runners.containers.plain import Address, ask

PODMAN = "apt-get install podman runc catatonit uidmap"
DOCKER = "apt-get install docker.io"
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
)
# without a service manager podman has to be told how to group processes; and its locks are not to be the machine's
CONFIGURATION = f"""
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=8192:8192"]
default_capabilities = {json.dumps(list(CAPABILITIES))}
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
lock_type = "file"
"""
PATIENCE = 60.0  # seconds


def need(program: str, line: str) -> None:
    if shutil.which(program) is None or os.getuid() != 0:
        reason = line if shutil.which(program) is None else "run as root: these engines have storage of their own"
        pytest.skip(reason)


@contextmanager
def podman() -> Iterator[str]:
    need("podman", PODMAN)
    need("runc", PODMAN)
    folder = _folder()
    (folder / "containers.conf").write_text(CONFIGURATION)
    environment = os.environ | {"CONTAINERS_CONF": str(folder / "containers.conf")}
    places = [f"--root={folder / 'root'}", f"--runroot={folder / 'run'}", f"--tmpdir={folder / 'tmp'}"]
    url = f"unix://{folder / 'podman.sock'}"
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(
            ["podman", *places, "system", "service", "--time=0", url], env=environment, stderr=log, cwd=folder
        )
    try:
        _answers(folder / "podman.sock", service)
        yield url
    finally:
        service.terminate()
        service.wait(30)
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                ["podman", *places, "rm", "-fa"], env=environment, capture_output=True, check=False, timeout=60
            )
        _remove(folder)


@contextmanager
def dockerd() -> Iterator[str]:
    """Without a bridge and without firewall rules: nothing of this machine's network is changed."""
    need("dockerd", DOCKER)
    folder = _folder()
    url = f"unix://{folder / 'docker.sock'}"
    settings = {
        "data-root": str(folder / "data"),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "pid"),
        "hosts": [url],
        "bridge": "none",
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "ip-masq": False,
        "live-restore": False,
    }
    (folder / "daemon.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", "--config-file", str(folder / "daemon.json")], stdout=log, stderr=log, start_new_session=True
        )
    try:
        _answers(folder / "docker.sock", daemon)
        yield url
    finally:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        _remove(folder)


def _folder() -> Path:
    """With a short name: podman takes at most 50 characters, a socket 107."""
    return Path(tempfile.mkdtemp(prefix="hr-engine-"))


def _answers(path: Path, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if path.is_socket():
            with suppress(Unavailable):
                status, _ = ask(Address("", str(path)), "GET", "/version")
                if status == 200:
                    return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.fail(f"the engine does not start: {(path.parent / 'log').read_text(errors='replace')[-1000:]}")


def _remove(folder: Path) -> None:
    """Mounts that an engine left first, the innermost before those around it."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in sorted((one for one in mounts if one.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
