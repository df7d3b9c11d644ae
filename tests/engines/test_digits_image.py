"""The digits of the demo as a container image: built here, uploaded as an older client does, tested, asked."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from live import PACKAGES, checked, running, wait_for

from headrace import cli

DIGITS = Path(cli.__file__).parent / "demo_models/digits"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    tar = tmp_path_factory.mktemp("image") / "digits.tar"
    command = [sys.executable, "-m", "headrace", "image", "build", str(DIGITS), "-o", str(tar), "--json"]
    built = subprocess.run(command, check=True, capture_output=True, env=PACKAGES | os.environ)
    return tar, json.loads(built.stdout)["digest"]


def repeated(ask):
    """As that client does: again while the image is not ready (400), without a look at how far it is."""
    deadline = time.monotonic() + 300
    while (answer := ask()).status_code == 400 and time.monotonic() < deadline:
        time.sleep(0.5)
    return checked(answer)


def test_the_digits_as_an_image(image, tmp_path):
    tar, digest = image
    picture = (DIGITS / "test_input/image.png").read_bytes()
    with running(tmp_path / "server") as server, server.client() as client:
        client.timeout = 300
        model = checked(client.post("/models", json={"name": "digits", "version": "1.0.0"})).json()["identifier"]
        path = f"/models/{model}/versions/1.0.0"
        with tar.open("rb") as file:
            checked(client.post(f"{path}/container-image", files={"file": ("digits.tar", file, "application/x-tar")}))
        repeated(lambda: client.post(f"{path}/load-process"))
        version = checked(client.get(path)).json()
        assert "image" == version["inputs"][0]["name"], "the image says it itself"
        assert ("COMPLETED", 100) == (
            version["containerImage"]["loadStatus"],
            version["containerImage"]["loadPercentage"],
        )
        assert "Tells which digit" in version["model"]["description"]
        files = {"file": ("image.png", picture)}
        checked(client.post(f"{path}/testInput", params={"name": "image"}, files=files))
        checked(client.post(f"{path}/run-process"))
        checked(client.patch(path, json={"status": "active"}))  # at once: it waits for the test
        job = checked(client.post("/jobs", json=json.loads(checked(client.get(f"{path}/sample-input")).text))).json()
        results = f"/results/{job['jobIdentifier']}"
        wait_for(lambda: checked(client.get(results)).json()["finished"], 120)
        found = checked(client.get(results)).json()
        assert {} == found["failures"]
        [one] = found["results"].values()
        assert "1" == one["results.json"]["data"]["result"]["classPredictions"][0]["class"]
    assert digest[7:] in (tmp_path / "server/images/index.json").read_text()
