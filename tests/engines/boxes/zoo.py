"""The images of the container zoo: one base, three models, and the ways in which they start."""

import re
from collections.abc import Mapping
from pathlib import Path

from engines.boxes import closure
from engines.boxes.closure import Built, Layer

HERE = Path(__file__).parent
PROTO = HERE.parents[2] / "src/headrace/dialects/proto/modzy_model_pb2.py"
IMPORT = "from google.protobuf.descriptor_pool import Default as _default\n_POOL = _default()"
STARTS = (
    *("", "dies", "never_listens", "is_not_ready", "hangs_in_status", "is_another_server"),
    *("eats_memory", "speaks_no_http", "ignores_the_end"),
)
USER = "1000:1000"


class Zoo:
    """Written when first asked for: the images of gRPC need a layer more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._layers: dict[str, Layer] = {}
        self.images: dict[str, Built] = {}
        self.roots = folder / "roots"

    def http(self, start: str = "", user: str = USER) -> Built:
        return self._image("http", start, {"PSC_MODEL_PORT": "8080"}, [self._model("http_model.py")], user)

    def grpc(self, start: str = "") -> Built:
        layers = [*self._packages(), self._model("grpc_model.py")]
        return self._image("grpc", start, {"PSC_MODEL_PORT": "45000"}, layers)

    def oip(self) -> Built:
        return self._image("oip", "", {"HTTP_PORT": "8080"}, [self._model("oip_model.py")])

    def command(self, *command: str) -> Built:
        """The same base with a command of its own."""
        return self._built(f"command-{len(self.images)}", [], {"Cmd": list(command)})

    def _image(
        self, name: str, start: str, variables: Mapping[str, str], layers: list[Layer], user: str = USER
    ) -> Built:
        key = f"{name}-{start}-{user}"
        if key not in self.images:
            program = ["/usr/local/bin/python3", "-S", "-E", "-P", f"/app/{name}_model.py"]
            if name == "grpc":
                program = ["/usr/local/bin/python3", "-S", "/app/grpc_model.py"]
            environment = {**closure.ENVIRONMENT, "PYTHONPATH": f"{closure.INSIDE}/site-packages:/app", "START": start}
            port = next(iter(variables.values()))
            config = {
                "Entrypoint": program,
                "Env": [f"{one}={value}" for one, value in {**environment, **variables}.items()],
                "User": user,
                "WorkingDir": "/app",
                "ExposedPorts": {f"{port}/tcp": {}},
            }
            self._built(key, layers, config)
        return self.images[key]

    def _built(self, key: str, layers: list[Layer], config: Mapping[str, object]) -> Built:
        if "base" not in self._layers:
            self._layers["base"] = closure.python_layer()
        built = closure.build(self._folder / f"{key}.tar", [self._layers["base"], *layers], config)
        self.images[key] = built
        return built

    def _model(self, name: str) -> Layer:
        return closure.files_layer({f"app/{name}": (HERE / "models" / name).read_bytes()})

    def _packages(self) -> list[Layer]:
        """gRPC, and the contract's messages in the pool that every program has."""
        if "grpc" not in self._layers:
            text = PROTO.read_text().replace("from headrace.dialects.pool import POOL as _POOL", IMPORT)
            text = re.sub(r"'headrace\.dialects\.proto\.(\w+)', globals", r"'\1', globals", text)
            self._layers["proto"] = closure.files_layer({"app/modzy_model_pb2.py": text.encode()})
            self._layers["grpc"] = closure.packages_layer("grpc", "google", "typing_extensions.py")
        return [self._layers["grpc"], self._layers["proto"]]
