"""Make the demo's digits: the half of scikit-learn's digits that the model is not trained on, as small PNG files.

usage: uv run --no-project --with scikit-learn==1.9.1 python tools/make_demo_digits.py
Writes src/headrace/cli/demo_models/digits_test.json.gz, a list of {"name", "label", "png" (base64)}, and the model's
test file. The same data gives the same bytes.
"""

import base64
import gzip
import importlib
import json
import struct
import zlib
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "src" / "headrace" / "cli" / "demo_models"
SIDE = 8  # pixels
GREY = 15  # shades 0 to 16 become the grey values 0, 15, 30 … 240, as the model expects


def main() -> None:
    # scikit-learn is not one of our dependencies: only this tool and the model's own environment have it
    digits = importlib.import_module("sklearn.datasets").load_digits()
    samples = [
        {
            "name": f"digit-{index:04}.png",
            "label": str(digits.target[index]),
            "png": base64.b64encode(png([int(shade) * GREY for shade in digits.data[index]])).decode(),
        }
        for index in range(1, len(digits.target), 2)  # the model trains on the even ones
    ]
    text = json.dumps(samples, separators=(",", ":")).encode()
    packed = FOLDER / "digits_test.json.gz"
    packed.write_bytes(gzip.compress(text, 9, mtime=0))
    (FOLDER / "digits" / "test_input" / "image.png").write_bytes(base64.b64decode(samples[0]["png"]))
    print(f"{len(samples)} pictures, {packed.stat().st_size} bytes: {packed}")


def png(greys: list[int]) -> bytes:
    """A picture of SIDE by SIDE grey values from 0 to 255, in rows from the top."""
    rows = b"".join(b"\0" + bytes(greys[start : start + SIDE]) for start in range(0, SIDE * SIDE, SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in chunks)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


if __name__ == "__main__":
    main()
