"""A folder of MLflow: MLmodel, usually with its own requirements.txt."""

from pathlib import Path

from headrace.images.formats.format import NUMPY, ORJSON, Found, beginning

REQUIREMENTS = ("mlflow-skinny==3.17.2", "pandas==2.3.3", NUMPY, ORJSON)
FLAVORS = {
    b"sklearn:": "scikit-learn==1.9.1",
    b"xgboost:": "xgboost==3.2.0",
    b"lightgbm:": "lightgbm==4.7.0",
    b"onnx:": "onnxruntime==1.31.1",
}


def recognise(folder: Path) -> Found | None:
    if not (folder / "MLmodel").is_file():
        return None
    said = beginning(folder / "MLmodel")
    more = tuple(package for flavor, package in FLAVORS.items() if b"\n  " + flavor in said)
    return Found("mlflow", ".", (*REQUIREMENTS, *more), beside=("mlflow-skinny", "pandas", "numpy"))
