"""What a loaded model says of its tensors is kept with its version, until another image takes its place."""

from rooms.deployment.shelved import works
from rooms.fleet.acting import Shout

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.domain.version import StepState

TENSORS = TensorModel(
    "onnxruntime_onnx", (TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "FP32", (-1, 3)),), 64, (("k", "v"),)
)


class Tensors(Shout):
    async def ready(self, _timeout: float) -> ReplicaInfo:
        return ReplicaInfo(64, ("x",), ("y",), TENSORS)


async def test_tensors_are_kept(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        here.runner.play = Tensors
        await here.deployment.load(key)
        assert TENSORS == (await here.versions.get(key)).tensors

        await here.import_(key)
        await here.until_version(key, lambda version: version.image_step.state is StepState.DONE)
        assert None is (await here.versions.get(key)).tensors


async def test_a_model_of_files_has_none(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        await here.deployment.load(key)
        assert None is (await here.versions.get(key)).tensors
