"""KServe's server with echo, mean and iris: HTTP PORT, gRPC PORT, models FOLDER."""

import sys
from pathlib import Path

import joblib
import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer


class Plain(Model):
    def __init__(self, name, function, datatype):
        super().__init__(name)
        self.function, self.datatype, self.ready = function, datatype, True

    def predict(self, payload, headers=None):
        value = self.function(payload.inputs[0].as_numpy())
        output = InferOutput("y", list(value.shape), self.datatype)
        output.set_data_from_numpy(value, binary_data=payload.use_binary_outputs)
        return InferResponse(payload.id or "none", self.name, [output])  # it refuses its own answer without one


http_port, grpc_port, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
iris = joblib.load(folder / "iris" / "model.joblib")
sys.argv = sys.argv[:1]
ModelServer(http_port=http_port, grpc_port=grpc_port, workers=1, access_log_format=None).start(
    [
        Plain("echo", lambda x: x, "FP32"),
        Plain("mean", lambda x: np.array([x.mean()], np.float32), "FP32"),
        Plain("iris", iris.predict, "INT64"),
    ]
)
