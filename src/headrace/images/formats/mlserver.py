"""A folder of MLServer: model-settings.json. Its classes run as they are, in the environment that it asks for."""

import re
from pathlib import Path

import msgspec

from headrace.images.formats.format import Found, beginning

PINNED = "1.7.1"
# its event loop of later versions breaks it; its codecs do not know the strings of pandas 3
HELD = ("uvloop<0.22", "pandas<3")
RUNTIMES = {
    "mlserver_sklearn": ("scikit-learn==1.9.1", "joblib==1.6.0"),
    "mlserver_xgboost": ("xgboost==3.2.0", "scikit-learn==1.9.1"),
    "mlserver_lightgbm": ("lightgbm==4.7.0", "scikit-learn==1.9.1"),
    "mlserver_mlflow": ("mlflow-skinny==3.17.2",),
}
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def recognise(folder: Path) -> Found | None:
    settings = folder / "model-settings.json"
    if not settings.is_file():
        return None
    runtime = _runtime(beginning(settings))
    own = () if runtime is None else (f"{runtime.replace('_', '-')}=={PINNED}", *RUNTIMES.get(runtime, ()))
    beside = ("mlserver", *HELD, *((runtime.replace("_", "-"),) if runtime else ()))
    return Found("mlserver", ".", (f"mlserver=={PINNED}", *HELD, *own), beside)


def _runtime(text: bytes) -> str | None:
    """The package of MLServer's own runtimes that the implementation lies in."""
    try:
        said = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    implementation = said.get("implementation") if isinstance(said, dict) else None
    package = str(implementation or "").partition(".")[0]
    return package if _MODULE.fullmatch(package) and package.startswith("mlserver_") else None
