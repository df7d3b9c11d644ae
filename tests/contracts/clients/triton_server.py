"""Becomes the real Triton of the nvidia-pytriton wheel, on the CPU. The FOLDER is its own.

uv run --no-project --with nvidia-pytriton==0.7.0 python triton_server.py 8000 8001 REPOSITORY FOLDER
"""

import os
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

http_port, grpc_port, repository, folder = sys.argv[1:]
wheel = Path(find_spec("pytriton").submodule_search_locations[0])
backends = Path(folder) / "backends"
if not backends.exists():
    shutil.copytree(wheel / "tritonserver" / "backends", backends)
    stub = "triton_python_backend_stub"  # one for each Python; it looks for it beside the backend
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(wheel / "tritonserver" / "python_backend_stubs" / version / stub, backends / "python" / stub)
    (backends / "python" / stub).chmod(0o755)
environment = os.environ | {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # the stub finds its packages beside `python3`
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("site-packages")),
    "LD_LIBRARY_PATH": f"{wheel.parent / 'nvidia_pytriton.libs'}:{sysconfig.get_config_var('LIBDIR')}",
}
binary = wheel / "tritonserver" / "bin" / "tritonserver"
binary.chmod(0o755)
os.execve(
    binary,
    [
        "tritonserver",
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        "--http-address=127.0.0.1",
        f"--http-port={http_port}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={grpc_port}",
        "--allow-metrics=false",
        "--backend-config=python,shm-default-byte-size=8388608",
    ],
    environment,
)
