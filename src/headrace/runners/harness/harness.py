"""The program beside the model: reads questions from an inherited socket, calls the model, writes answers.

It runs inside the model's own environment: standard library only, and nothing of headrace is there but the files beside
this one, under the names by which they know each other. Usage: harness.py SOCKET FOLDER ENTRY; in an image that was
built from a model folder, harness.py --contained SETTINGS
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

PACKAGE = "headrace.runners.harness"
CONTAINED = "--contained"


def at_home(module: str = "serving") -> Any:
    """A module of this folder, and no installed headrace."""
    parts = PACKAGE.split(".")
    for depth in range(1, len(parts) + 1):
        package = types.ModuleType(".".join(parts[:depth]))
        package.__path__ = [str(Path(__file__).parent)] if depth == len(parts) else []
        sys.modules[package.__name__] = package
    return importlib.import_module(f"{PACKAGE}.{module}")


if __name__ == "__main__":
    if sys.argv[1:2] == [CONTAINED]:
        sys.exit(at_home("contained").main(sys.argv[2:]))
    sys.exit(at_home().main(sys.argv[1:]))
