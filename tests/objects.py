"""A real S3 server for tests: rclone, which checks signatures, on a free port and with one bucket."""

import secrets
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2
from live import free_port, wait_for

BUCKET = "bodies"


@contextmanager
def s3(folder):
    """The variables by which a server finds it; the bucket is BUCKET."""
    (folder / BUCKET).mkdir(parents=True)
    address, user, secret = f"127.0.0.1:{free_port()}", "headrace", secrets.token_hex(8)
    rclone = Path(sys.executable).with_name("rclone")
    command = [rclone, "serve", "s3", "--addr", address, "--auth-key", f"{user},{secret}", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: _answers(f"http://{address}"))
            yield {
                "AWS_ENDPOINT_URL": f"http://{address}",
                "AWS_ACCESS_KEY_ID": user,
                "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_REGION": "us-east-1",
            }
        finally:
            server.terminate()


def _answers(url):
    try:
        httpx2.get(url, verify=False)
    except httpx2.TransportError:
        return False
    return True
