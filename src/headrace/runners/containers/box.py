"""What a container is created with: every limit is said here, and nothing is left to an engine's own idea."""

import resource
from dataclasses import dataclass
from typing import Any

from headrace.domain.image import ImageConfig
from headrace.domain.reach import Shared
from headrace.domain.replica import ImageLaunch
from headrace.runners.containers.engine import OURS, REPLICA, VERSION
from headrace.runners.image_start import candidate_ports, variables
from headrace.runners.limits import OPEN_FILES, Limits

MOST_TMP = 2  # a half of the memory: what lies in /tmp counts as memory
SMALLEST_TMP = 1 << 20
USERS_PROCESSES = 16_384  # podman lowers its own limit to 32768, and may not give more than it has


@dataclass(frozen=True, slots=True)
class Box:
    """One container to be. `published`: it cannot be reached otherwise, so its ports are, on this machine only."""

    launch: ImageLaunch
    image: str  # the tag
    config: ImageConfig
    limits: Limits
    installation: str
    shared: Shared
    published: bool
    seccomp: str  # the profile of system calls, as this engine takes it


def body(box: Box) -> dict[str, Any]:
    """As the Engine API wants it."""
    launch, ports = box.launch, candidate_ports(box.config, box.launch.port)
    exposed: dict[str, Any] = {f"{port}/tcp": {} for port in ports}
    found: dict[str, Any] = {
        "Image": box.image,
        "Hostname": "model",
        "Env": [f"{name}={value}" for name, value in variables(box.config, box.limits).items()],
        "Labels": {
            OURS: box.installation,
            VERSION: f"{launch.model}:{launch.version}",
            REPLICA: launch.name,
        },
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": _host(box),
    }
    if box.published:
        found["ExposedPorts"] = exposed
        found["HostConfig"]["PortBindings"] = {port: [{"HostIp": "127.0.0.1", "HostPort": ""}] for port in exposed}
    return found


def _host(box: Box) -> dict[str, Any]:
    limits = box.limits
    tmp = max(SMALLEST_TMP, min(limits.disk, limits.memory // MOST_TMP))
    folder = f"rw,nosuid,nodev,size={tmp},mode=1777"
    found: dict[str, Any] = {
        "Memory": limits.memory,
        "MemorySwap": limits.memory,  # the two together: no swap
        "NanoCpus": box.launch.hardware.cpu_millis * 1_000_000,
        "PidsLimit": limits.processes,
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={box.seccomp}"],
        "Privileged": False,
        "Init": True,  # a first process that has no handler would not hear SIGTERM
        "IpcMode": "private",
        "ShmSize": tmp,
        "Tmpfs": {"/tmp": folder, "/run": folder, "/var/tmp": folder},  # noqa: S108 - inside the container
        "Ulimits": _ulimits(limits),
        "NetworkMode": "bridge" if box.published else "none",
        "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},  # images that insist on port 80 may have it
        "LogConfig": {"Type": "none"},  # what it prints is read from the container, and kept by us
        "RestartPolicy": {"Name": "no"},
        **_mount(box.shared),
    }
    if box.launch.hardware.gpu_units:
        wanted = {"Driver": "", "Count": box.launch.hardware.gpu_units, "Capabilities": [["gpu"]]}
        found["DeviceRequests"] = [wanted]
    return found


def _mount(shared: Shared) -> dict[str, Any]:
    """`z`: where SELinux guards files, the folder is labelled as a container's."""
    if ":" in str(shared.folder):
        return {"Mounts": [{"Type": "bind", "Source": str(shared.folder), "Target": shared.inside, "ReadOnly": False}]}
    return {"Binds": [f"{shared.folder}:{shared.inside}:rw,z"]}


def _ulimits(limits: Limits) -> list[dict[str, Any]]:
    """None above our own hard limit: an engine that runs as we do may not raise it."""
    wanted = (
        ("nofile", resource.RLIMIT_NOFILE, OPEN_FILES),
        ("nproc", resource.RLIMIT_NPROC, USERS_PROCESSES),  # of a user, in all containers: PidsLimit is what holds
        ("fsize", resource.RLIMIT_FSIZE, limits.disk),
        ("core", resource.RLIMIT_CORE, 0),
    )
    found = []
    for name, number, most in wanted:
        hard = resource.getrlimit(number)[1]
        both = [value for value in (hard, most) if value != resource.RLIM_INFINITY]
        value = min(both, default=resource.RLIM_INFINITY)
        found.append({"Name": name, "Soft": value, "Hard": value})
    return found
