"""After MLServer's example of streams: a word for each answer."""

from collections.abc import AsyncIterator

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class TextModel(MLModel):
    async def predict_stream(self, payloads: AsyncIterator[InferenceRequest]) -> AsyncIterator[InferenceResponse]:
        [payload] = [one async for one in payloads]
        for word in StringCodec.decode_input(payload.inputs[0])[0].split(" "):
            output = StringCodec.encode_output("output", [word], use_bytes=True)
            yield InferenceResponse(model_name=self.name, outputs=[output])
