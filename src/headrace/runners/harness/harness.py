"""The program beside the model: reads questions from an inherited socket, calls the model, writes answers.

It runs inside the model's own environment: standard library only, and nothing of headrace is there but the files beside
this one, under the names by which they know each other. Usage: harness.py SOCKET FOLDER ENTRY
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

PACKAGE = "headrace.runners.harness"


def at_home() -> Any:
    """The beginning of the program, from this folder and no installed headrace."""
    parts = PACKAGE.split(".")
    for depth in range(1, len(parts) + 1):
        module = types.ModuleType(".".join(parts[:depth]))
        module.__path__ = [str(Path(__file__).parent)] if depth == len(parts) else []
        sys.modules[module.__name__] = module
    return importlib.import_module(f"{PACKAGE}.serving")


if __name__ == "__main__":
    sys.exit(at_home().main(sys.argv[1:]))
