"""After MLServer's example of custom JSON: a text in, a text out, whose shape counts its letters."""

import json

from mlserver import MLModel, types
from mlserver.codecs import StringCodec


class Hello(MLModel):
    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        said = {one.name: json.loads("".join(self.decode(one, default_codec=StringCodec))) for one in payload.inputs}
        answer = json.dumps({"request": said, "server_response": "hello"}).encode()
        output = types.ResponseOutput(
            name="echo_response",
            shape=[len(answer)],
            datatype="BYTES",
            data=[answer],
            parameters=types.Parameters(content_type="str"),
        )
        return types.InferenceResponse(id=payload.id, model_name=self.name, outputs=[output])
