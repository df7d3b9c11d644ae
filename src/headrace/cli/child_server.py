"""A server of our own in another process: started, waited for, told to stop. For the demo and for torture."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2

from headrace.cli.connection import CLIENT_FILE, Target, read_client_file
from headrace.cli.failure import ExitCode, Failure

HOST = "127.0.0.1"
USUAL_PORT = 8080
START_LIMIT = 60.0  # seconds until /readyz says yes
STOP_LIMIT = 30.0  # seconds from SIGTERM to the end
LAST_LINES = 15


class ChildServer:
    """`log` is where the server's own output goes; `settings` are like fleet.engines=8."""

    def __init__(self, data: Path, port: int, settings: Sequence[str] = (), log: Path | None = None) -> None:
        self.data, self.port, self._settings = data, port, settings
        self.url = f"http://{HOST}:{port}"
        self.log = log or data / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, variables: Mapping[str, str] | None = None) -> Target:
        """Returns when it is ready; `variables` are added to the environment.

        Raises Failure, with the last lines of the log, when it will not be.
        """
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [sys.executable, "-m", "headrace", "serve", "--data", str(self.data)]
        command += ["--host", HOST, "--port", str(self.port), "--set", "server.grpc_port=0"]
        command += [part for setting in self._settings for part in ("--set", setting)]
        # the first start prints the administrator's key: nobody else may read it here
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            # a session of its own: Ctrl-C ends the demo, and the demo ends the server
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(variables or {})},
            )
        try:
            self._wait_until_ready(self._process)
            return self._target()
        except BaseException:
            self.stop()
            raise

    def _target(self) -> Target:
        target = read_client_file(self.data / CLIENT_FILE)
        if target is None or not target.key:
            raise Failure(f"the server wrote no key to {self.data / CLIENT_FILE}")
        return Target(self.url, target.key, target.told_by)

    @property
    def process_id(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def ended(self) -> int | None:
        """Its exit code (below 0: the signal that killed it); None while it runs or was never started."""
        return self._process.poll() if self._process else None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM, so that open requests and replicas end; SIGKILL if that does not help."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_LIMIT
        with httpx2.Client(base_url=self.url, trust_env=False, verify=False, timeout=2.0) as http:
            while time.monotonic() < end:
                if process.poll() is not None:
                    raise Failure(f"the server ended at once:\n{self.last_lines()}", cure="`headrace doctor`")
                try:
                    if http.get("/readyz").is_success:
                        return
                except httpx2.TransportError:
                    pass  # not listening yet
                time.sleep(0.05)
        raise Failure(f"the server was not ready after {START_LIMIT:.0f} s:\n{self.last_lines()}", ExitCode.TIMEOUT)

    def last_lines(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])
        except OSError:
            return ""


def free_port() -> int:
    """The usual one if nobody has it."""
    for port in (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure("no port on 127.0.0.1 is free")
