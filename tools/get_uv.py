"""Put uv into a folder with nothing but python3: the one thing that the Makefile needs and may not find.

usage: python3 tools/get_uv.py FOLDER VERSION
"""

import subprocess
import sys
from pathlib import Path

MINIMUM = (3, 11)
CURE = "install it (Debian: apt-get install python3-venv), or install uv yourself, then run make again"


def main(folder: Path, version: str) -> int:
    if sys.version_info < MINIMUM:
        print(f"Headrace needs Python 3.11 or newer; python3 here is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    made = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, check=False)
    if made.returncode:
        print(f"python3 cannot make a virtual environment here: {CURE}\n{made.stdout}{made.stderr}", file=sys.stderr)
        return 1
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return subprocess.run([*pip, f"uv=={version}"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
