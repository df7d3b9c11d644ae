"""A model of scikit-learn: a skops file before a joblib file before a pickle."""

from pathlib import Path

from headrace.images.formats.format import NUMPY, ORJSON, Found, named_file

REQUIREMENTS = ("scikit-learn==1.9.1", "skops==0.16.0", "joblib==1.6.0", "pandas==2.3.3", NUMPY, ORJSON)
PATTERNS = ("model.skops", "*.skops", "model.joblib", "*.joblib", "model.pkl", "*.pkl", "model.pickle", "*.pickle")


def recognise(folder: Path) -> Found | None:
    name = named_file(folder, *PATTERNS)
    return None if name is None else Found("sklearn", name, REQUIREMENTS)
