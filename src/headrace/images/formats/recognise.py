"""The formats in the order in which they are tried: first those that have a file of their own to say what they are."""

from pathlib import Path

from headrace.images.formats import lightgbm, mlflow, mlserver, onnx, sklearn, torch_export, triton, xgboost
from headrace.images.formats.format import NUMPY, ORJSON, Found

DECLARED = (mlserver.recognise, triton.recognise, mlflow.recognise)
BY_FILES = (
    *(onnx.recognise, torch_export.recognise, xgboost.recognise, lightgbm.recognise, sklearn.recognise),
    triton.without_config,
)
FORMATS = frozenset({"mlserver", "triton", "mlflow", "onnx", "torch_export", "xgboost", "lightgbm", "sklearn"})
KNOWN_FORMATS = (
    "model.onnx, model.skops, model.joblib, model.pkl, model.ubj, model.json (XGBoost), model.txt (LightGBM), "
    "model.pt2, MLmodel, model-settings.json, config.pbtxt with 1/model.py, 1/model.onnx, 1/model.pt or an ensemble"
)
FOR_TENSOR_CLASSES = (NUMPY, ORJSON)


def recognise(folder: Path) -> Found | None:
    """A folder with model.py is one of our own unless a file says that it is something else."""
    formats = DECLARED if (folder / "model.py").is_file() else (*DECLARED, *BY_FILES)
    return next((found for one in formats if (found := one(folder)) is not None), None)
