"""A real server in a process of its own, on a free port of 127.0.0.1, with a data folder of its own."""

import os
import secrets
import signal
import socket
import string
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx2

# packages that models ask for are fetched once for all servers, by uv's usual cache
PACKAGES = {"UV_CACHE_DIR": str(Path.home() / ".cache" / "uv")}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def new_key():
    """An administrator's key for an unattended set-up: prefix.body."""
    return ".".join("".join(secrets.choice(string.ascii_letters) for _ in range(length)) for length in (20, 32))


class Server:
    def __init__(self, data, *settings):
        self.data, self.port, self.key = Path(data), free_port(), new_key()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.data / "server.log"
        self.settings = settings
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "admin.key").write_text(self.key)
        self.process = None

    def start(self):
        settings = [f"accounts.admin_key_file={self.data / 'admin.key'}", "server.grpc_port=0", *self.settings]
        flags = [part for setting in settings for part in ("--set", setting)]
        command = [
            sys.executable,
            "-m",
            "headrace",
            "serve",
            "--data",
            str(self.data),
            "--port",
            str(self.port),
            *flags,
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=PACKAGES | os.environ, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            try:
                if httpx2.get(f"{self.url}/readyz", verify=False).status_code == 200:
                    return self
            except httpx2.TransportError:
                time.sleep(0.05)
        raise TimeoutError(self.log.read_text())

    def kill(self):
        """As a power cut would: nothing gets to say goodbye."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode if self.process else 0

    @contextmanager
    def client(self, key=None):
        headers = {"Authorization": f"ApiKey {key or self.key}"}
        with httpx2.Client(base_url=f"{self.url}/api", headers=headers, timeout=60, verify=False) as client:
            yield client

    def deploy(self, folder, name="echo", *, tests=None, maximum=2, minimum=0, seconds=60):
        """A model folder through the documented steps, each within `seconds`; returns its identifier."""
        with self.client() as client:
            model = checked(client.post("/models", json={"name": name, "version": "1.0.0"})).json()["identifier"]
            path = f"/models/{model}/versions/1.0.0"
            upload = {"file": ("model.tar.gz", packed(folder), "application/gzip")}
            checked(client.post(f"{path}/container-image", files=upload))
            wait_for(lambda: checked(client.get(f"{path}/container-image")).json()["percentage"] >= 100, seconds)
            processing = {"minimumParallelCapacity": minimum, "maximumParallelCapacity": maximum}
            checked(client.patch(path, json={"processing": processing}))
            checked(client.post(f"{path}/load-process"))
            for key, content in (tests or {"input.txt": b"hello"}).items():
                checked(client.post(f"{path}/testInput", params={"name": key}, files={"file": ("test", content)}))
            checked(client.post(f"{path}/run-process"))
            wait_for(lambda: checked(client.get(f"{path}/run-process")).json()["percentage"] >= 100, seconds)
            checked(client.patch(path, json={"status": "active"}))
        return model


def checked(answer):
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return answer


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def packed(folder):
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.add(path, path.relative_to(folder))
    return buffer.getvalue()


@contextmanager
def running(data, *settings):
    server = Server(data, *settings).start()
    try:
        yield server
    finally:
        server.stop()
