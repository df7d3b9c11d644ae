"""Makes the *_pb2.py files of the gRPC doors, and of the model containers' contract, from their .proto files.

usage: python tools/make_protos.py

Run it with a Python that has grpcio-tools 1.51: what that version writes is understood by every protobuf from 4.21 to
7, and clients that live in one process with us hold the older ones. Our messages go into a pool of their own, because
every client package brings messages of the same names.
"""

import re
import subprocess
import sys
from pathlib import Path

DOORS = "headrace.api.grpc.pool"  # one for all doors: reflection looks there
POOLS = {
    "headrace.api.grpc": DOORS,
    "headrace.api.oip": DOORS,
    "headrace.api.edge": "headrace.api.edge.pool",
    "headrace.dialects": "headrace.dialects.pool",
}
SOURCE = Path(__file__).parent.parent / "src"

FOR_MYPY = {
    "_Mapping]": "_Mapping[str, object]]",
    "__slots__ = []": "__slots__: list[str] = []",
    "**kwargs)": "**kwargs: object)",
}


def main() -> None:
    for package, pool in POOLS.items():
        folder = SOURCE / package.replace(".", "/") / "proto"
        protos = sorted(path.name for path in folder.glob("*.proto"))
        out = [f"-I{folder}", f"--python_out={folder}", f"--pyi_out={folder}"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *out, *protos], check=True)
        for path in folder.glob("*_pb2.py*"):
            path.write_text(_ours(path.read_text(), package, pool))


def _ours(text: str, package: str, pool: str) -> str:
    text = text.replace(
        "from google.protobuf import descriptor_pool as _descriptor_pool", f"from {pool} import POOL as _POOL"
    )
    text = text.replace("_descriptor_pool.Default()", "_POOL")
    text = re.sub(r"^import (\w+_pb2) as", rf"from {package}.proto import \1 as", text, flags=re.MULTILINE)
    for vague, exact in FOR_MYPY.items():
        text = text.replace(vague, exact)
    return re.sub(r"'(\w+_pb2)', globals\(\)", rf"'{package}.proto.\1', globals()", text)


if __name__ == "__main__":
    main()
