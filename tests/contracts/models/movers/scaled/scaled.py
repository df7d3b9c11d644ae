"""Names no uri: it is its own folder."""

from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.codecs import decode_args
from mlserver.utils import get_model_uri


class Scaled(MLModel):
    async def load(self) -> bool:
        self.factor = float((Path(await get_model_uri(self.settings)) / "factor.txt").read_text())
        return True

    @decode_args
    async def predict(self, rows: np.ndarray) -> np.ndarray:
        return rows * self.factor
