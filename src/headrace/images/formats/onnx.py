"""model.onnx, or the only .onnx file of the folder."""

from pathlib import Path

from headrace.images.formats.format import NUMPY, ORJSON, Found, named_file

REQUIREMENTS = ("onnxruntime==1.31.1", NUMPY, ORJSON)


def recognise(folder: Path) -> Found | None:
    name = named_file(folder, "model.onnx", "*.onnx")
    return None if name is None else Found("onnx", name, REQUIREMENTS)
