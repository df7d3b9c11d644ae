"""Which isolation there is on this machine, found by trying it."""

import tempfile
from pathlib import Path

from headrace.domain.errors import Unsupported
from headrace.runners.process import ProcessRunner, try_sandbox
from headrace.runners.sandbox import find_bubblewrap
from headrace.settings import RunnerSettings

INSTALL = "install it with: apt-get install bubblewrap (or dnf, pacman: bubblewrap)"


def choose(settings: RunnerSettings, data: Path) -> ProcessRunner:
    """Raises Unsupported when a sandbox is required and does not work, or the setting is none of the three."""
    if settings.sandbox not in ("auto", "require", "off"):
        raise Unsupported(f"runners.sandbox is {settings.sandbox!r} and should be auto, require or off")
    if settings.sandbox == "off":
        return ProcessRunner(settings, data, None)
    fault = sandbox_fault()
    if fault is not None and settings.sandbox == "require":
        raise Unsupported(f"models have to run in a sandbox (runners.sandbox=require), and {fault}")
    return ProcessRunner(settings, data, find_bubblewrap() if fault is None else None)


def describe(settings: RunnerSettings) -> str:
    """A sentence for the doctor: what stands between a model and this machine."""
    if settings.sandbox == "off":
        return "models run as plain processes, because runners.sandbox is off: they can read what this user can read"
    if fault := sandbox_fault():
        return f"models run as plain processes and can read what this user can read: {fault}"
    return "models run in a bubblewrap sandbox: no network, read-only system, limits of memory, processes and disk"


def sandbox_fault() -> str | None:
    """Why there is no sandbox here, or None when there is."""
    bubblewrap = find_bubblewrap()
    if bubblewrap is None:
        return f"bubblewrap is not installed: {INSTALL}"
    with tempfile.TemporaryDirectory(prefix="headrace-probe-") as folder:
        said = try_sandbox(bubblewrap, Path(folder))
    return None if said is None else f"bubblewrap does not work here: {said}"
