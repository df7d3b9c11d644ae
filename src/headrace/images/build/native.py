"""The packages of a model's environment, and the libraries of this machine that they ask for."""

from pathlib import Path

from headrace.images.build.closure import Libraries, add, files_of
from headrace.images.build.layer import LayerWriter

LEFT_OUT = frozenset({"__pycache__"})


def write_environment(layer: LayerWriter, packages: Path, place: str, *, closed: bool) -> None:
    """Blocking. `closed`: there is nothing in the image but what is put there."""
    programs, own = [], set()
    for path in files_of(packages, LEFT_OUT):
        add(layer, path, f"{place}/{path.relative_to(packages)}")
        if ".so" in path.suffixes:
            programs.append(path)
            own.add(path.name)
    if closed:
        Libraries(there=own).add(layer, programs)
