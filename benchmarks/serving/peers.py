"""The servers of the run: how each is installed, started and asked. Each is on core 0 with all its processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import httpx2

from benchmarks.serving import requests
from benchmarks.serving.requests import Workload
from benchmarks.tree import below

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from live import Server, free_port  # noqa: E402 - the tests' folder is no package

SERVED, OUT = Path(__file__).parent / "served", ROOT / "benchmarks" / "out"
MODELS = OUT / "models"
GRPC_PATH = "/inference.GRPCInferenceService/ModelInfer"
PYTHON = "3.11"
START = 90.0  # seconds
DEPLOY = 300.0  # seconds for the environment of a model, from an empty cache


def environment(name: str, packages: tuple[str, ...]) -> Path:
    """The folder of an environment, made once. Named by what is in it would be better; delete it to make it anew."""
    place = OUT / f"env-{name}"
    if not (place / "bin" / "python").exists():
        subprocess.run(["uv", "venv", "-q", "--python", PYTHON, place], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "--python", place / "bin" / "python", *packages], check=True)
    return place


class Peer:
    """A server with all its models. `kinds`: what it can be asked in, by model."""

    packages: tuple[str, ...] = ()
    kinds: dict[str, tuple[str, ...]] = {}

    def __init__(self, name: str) -> None:
        self.name, self.http, self.grpc, self.pid = name, free_port(), free_port(), 0
        self.folder = OUT / "run" / name
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        here = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(here)})  # what is started from here on stays on that core
        try:
            self.launch()
        finally:
            os.sched_setaffinity(0, here)
        self.wait()

    def launch(self) -> None:
        command, variables = self.command()
        with (self.folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command], env=os.environ | variables, cwd=self.folder,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid

    def command(self) -> tuple[list, dict[str, str]]:
        raise NotImplementedError

    def wait(self) -> None:
        """Until it has answered for every model."""
        deadline = time.monotonic() + START
        for model in self.kinds:
            while not self._answers(next(one for one in requests.WORKLOADS if one.model == model)):
                if time.monotonic() > deadline or (self._process and self._process.poll() is not None):
                    raise TimeoutError(f"{self.name}: {(self.folder / 'log').read_text()[-2000:]}")
                time.sleep(0.2)

    def _answers(self, workload: Workload) -> bool:
        path, content, headers = self.rest(replace(workload, kind="json"))
        with suppress(httpx2.TransportError):
            answer = httpx2.post(f"http://127.0.0.1:{self.http}{path}", content=content, headers=headers, timeout=30)
            return answer.status_code == 200
        return False

    def takes(self, workload: Workload) -> bool:
        return workload.kind in self.kinds.get(workload.model, ())

    def rest(self, workload: Workload) -> tuple[str, bytes, dict[str, str]]:
        name = "input-0" if workload.model == "iris" else "x"
        content, headers = requests.body(
            workload, name if self.outputs(workload.model) else "x", self.outputs(workload.model)
        )
        return f"/v2/models/{workload.model}/infer", content, headers | self.key()

    def outputs(self, _model: str) -> list[str]:
        return []

    def key(self) -> dict[str, str]:
        return {}

    def asked(self, workload: Workload) -> dict:
        """What the load generator is told."""
        if workload.kind == "grpc":
            content, _ = requests.body(workload, "x", self.outputs(workload.model))
            told = {"path": GRPC_PATH, "headers": self.key(), "port": self.grpc, "kind": "grpc", "expected": ""}
        else:
            path, content, headers = self.rest(workload)
            told = {"path": path, "headers": headers, "port": self.http, "kind": "rest", "expected": ""}
        place = self.folder / "body"
        place.write_bytes(content)
        return told | {"body": str(place), "concurrency": workload.concurrency}

    def pause(self, how: signal.Signals) -> None:
        """A server that is not asked now must not use the core: some are never idle."""
        for pid in below(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, how)

    def stop(self) -> None:
        if self._process:
            pids = below(self.pid)
            self.pause(signal.SIGCONT)
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()


class Headrace(Peer):
    """With keys, limits, checks and counters, as it is."""

    kinds = {
        "echo": ("json", "grpc"), "mean": ("json", "binary", "grpc"), "conv": ("grpc",), "iris": ("json",),
        "mlp": ("json",),
    }  # fmt: skip

    def launch(self) -> None:
        settings = (f"server.grpc_port={self.grpc}", "fleet.engines=8")
        self._server = Server(self.folder / "data", *settings).start()
        self.http, self.pid, row = self._server.port, self._server.process.pid, json.dumps([[5.1, 3.5, 1.4, 0.2]])
        picture = json.dumps([[[[0.5] * 224] * 224] * 3]).encode()
        net = json.dumps([[0.5] * 784]).encode()
        for name, folder, tested in (
            ("echo", SERVED / "echo", row.encode()),
            ("mean", SERVED / "mean", picture),
            ("conv", MODELS / "conv", picture),
            ("iris", MODELS / "iris", row.encode()),
            ("mlp", MODELS / "mlp", net),
        ):
            test = {"input-0" if name == "iris" else "x": tested}
            self._server.deploy(folder, name, tests=test, minimum=1, maximum=1, seconds=DEPLOY)

    def outputs(self, model: str) -> list[str]:
        return ["predict"] if model == "iris" else []

    def key(self) -> dict[str, str]:
        return {"authorization": f"ApiKey {self._server.key}"}

    def stop(self) -> None:
        self.pause(signal.SIGCONT)
        self._server.stop()


class MLServer(Peer):
    """`workers` 1 is what it comes with; 0 is its fastest. It has no binary tensors by REST."""

    packages = ("mlserver==1.7.1", "uvloop<0.22", "mlserver-sklearn==1.7.1", "onnxruntime")
    kinds = {
        "echo": ("json", "grpc"), "mean": ("json", "grpc"), "conv": ("grpc",), "iris": ("json",), "mlp": ("json",),
    }  # fmt: skip

    def __init__(self, name: str, workers: int) -> None:
        super().__init__(name)
        self._workers = workers

    def command(self) -> tuple[list, dict[str, str]]:
        settings = {
            "parallel_workers": self._workers, "http_port": self.http, "grpc_port": self.grpc,
            "metrics_port": free_port(), "host": "127.0.0.1", "debug": False,
        }  # fmt: skip
        (self.folder / "settings.json").write_text(json.dumps(settings))
        for name, implementation, more in (
            ("echo", "of_mlserver.Echo", {}),
            ("mean", "of_mlserver.Mean", {}),
            ("iris", "mlserver_sklearn.SKLearnModel", {"parameters": {"uri": str(MODELS / "iris" / "model.joblib")}}),
            ("mlp", "of_mlserver.Net", {"parameters": {"uri": str(MODELS / "mlp" / "model.onnx")},
                                        "max_batch_size": 32, "max_batch_time": 0.005}),
            ("conv", "of_mlserver.Net", {"parameters": {"uri": str(MODELS / "conv" / "model.onnx")}}),
        ):  # fmt: skip
            (self.folder / name).mkdir()
            told = {"name": name, "implementation": implementation, **more}
            (self.folder / name / "model-settings.json").write_text(json.dumps(told))
        program = environment("mlserver", self.packages) / "bin" / "mlserver"
        return [program, "start", self.folder], {"PYTHONPATH": str(SERVED), "OMP_NUM_THREADS": "1"}

    def outputs(self, model: str) -> list[str]:
        return ["predict"] if model == "iris" else []


class KServe(Peer):
    packages = ("kserve==0.21.0", "scikit-learn", "onnxruntime")
    kinds = {"echo": ("json", "grpc"), "mean": ("json", "binary", "grpc"), "iris": ("json",)}

    def command(self) -> tuple[list, dict[str, str]]:
        python = environment("kserve", self.packages) / "bin" / "python"
        return [python, SERVED / "of_kserve.py", self.http, self.grpc, MODELS], {"OMP_NUM_THREADS": "1"}


class Triton(Peer):
    """The real server of the nvidia-pytriton wheel, with its Python backend."""

    packages = ("nvidia-pytriton==0.7.0", "scikit-learn", "onnxruntime")
    kinds = Headrace.kinds

    def command(self) -> tuple[list, dict[str, str]]:
        python = environment("triton", self.packages) / "bin" / "python"
        program = ROOT / "tests" / "contracts" / "clients" / "triton_server.py"
        subprocess.run([sys.executable, SERVED / "of_triton.py", self.folder / "models", MODELS], check=True)
        return [python, program, self.http, self.grpc, self.folder / "models", self.folder / "own"], {
            "OMP_NUM_THREADS": "1"
        }


class BentoML(Peer):
    """Its own JSON; no gRPC, no binary tensors."""

    packages = ("bentoml==1.4.39", "onnxruntime")
    kinds = {"echo": ("json",), "mlp": ("json",)}

    def command(self) -> tuple[list, dict[str, str]]:
        program = environment("bentoml", self.packages) / "bin" / "bentoml"
        variables = {
            "MLP": str(MODELS / "mlp" / "model.onnx"), "OMP_NUM_THREADS": "1",
            "BENTOML_HOME": str(self.folder / "home"),
            "BENTOML_DO_NOT_TRACK": "true", "PATH": f"{program.parent}:{os.environ['PATH']}",
        }  # fmt: skip
        command = [program, "serve", "of_bentoml:Served", "--port", self.http, "--host", "127.0.0.1"]
        return [*command, "--working-dir", SERVED], variables

    def rest(self, workload: Workload) -> tuple[str, bytes, dict[str, str]]:
        content = json.dumps({"x": [workload.values]}).encode()
        return f"/{workload.model}", content, {"Content-Type": "application/json"}


class Mosec(Peer):
    """A front in Rust before Python's workers. The protocol's JSON, decoded by hand; no gRPC, no binary tensors."""

    packages = ("mosec==0.9.8", "msgspec", "numpy", "onnxruntime")
    kinds = BentoML.kinds

    def command(self) -> tuple[list, dict[str, str]]:
        python = environment("mosec", self.packages) / "bin" / "python"
        command = [python, SERVED / "of_mosec.py", "--address", "127.0.0.1", "--port", self.http]
        return command, {"MODELS": str(MODELS), "OMP_NUM_THREADS": "1", "MOSEC_LOG_LEVEL": "warning"}

    def rest(self, workload: Workload) -> tuple[str, bytes, dict[str, str]]:
        _, content, headers = super().rest(workload)
        return f"/{workload.model}", content, headers


class LitServe(Peer):
    """The protocol's JSON, decoded by hand in the model; no gRPC, no binary tensors."""

    packages = ("litserve==0.2.19", "onnxruntime")
    kinds = BentoML.kinds

    def command(self) -> tuple[list, dict[str, str]]:
        python = environment("litserve", self.packages) / "bin" / "python"
        return [python, SERVED / "of_litserve.py", self.http, MODELS], {"OMP_NUM_THREADS": "1"}

    def rest(self, workload: Workload) -> tuple[str, bytes, dict[str, str]]:
        _, content, headers = super().rest(workload)
        return f"/{workload.model}", content, headers


class Floor(Peer):
    """No server, but what uvloop needs for a fixed answer: without a process for the model, and with one."""

    kinds = {"echo": ("json",)}

    def __init__(self, name: str, workers: int) -> None:
        super().__init__(name)
        self._workers = workers

    def command(self) -> tuple[list, dict[str, str]]:
        return [sys.executable, SERVED / "of_floor.py", self.http, self._workers], {}


def all_peers() -> list[Peer]:
    return [
        Headrace("Headrace"),
        MLServer("MLServer w1", 1),
        MLServer("MLServer w0", 0),
        KServe("KServe"),
        Triton("Triton"),
        Mosec("mosec"),
        BentoML("BentoML"),
        LitServe("LitServe"),
        Floor("floor w0", 0),
        Floor("floor w1", 1),
    ]


def make_models() -> None:
    if not all((MODELS / net / "model.onnx").exists() for net in ("mlp", "conv")):
        python = environment("models", ("scikit-learn==1.9.1", "joblib", "skops", "onnx", "numpy")) / "bin" / "python"
        subprocess.run([python, SERVED / "make_models.py", MODELS], check=True)


def started(peers: list[Peer], stack: ExitStack) -> list[Peer]:
    """Those that start; the others say why."""
    found = []
    for peer in peers:
        stack.callback(peer.stop)
        try:
            peer.start()
        except (TimeoutError, subprocess.CalledProcessError, AssertionError) as error:
            print(f"{peer.name} does not run here: {error}", flush=True)
            continue
        peer.pause(signal.SIGSTOP)
        found.append(peer)
    return found
