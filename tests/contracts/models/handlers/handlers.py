"""A class of MLServer with routes of its own, as its documentation shows them and its MLflow runtime has them."""

import numpy as np
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from mlserver import MLModel
from mlserver.codecs import decode_args
from mlserver.errors import MLServerError
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse


class Handlers(MLModel):
    async def load(self) -> bool:
        self.factor = 2
        return True

    @decode_args
    async def predict(self, x: np.ndarray) -> np.ndarray:
        return x * self.factor

    @custom_handler(rest_path="/my-custom-endpoint")
    async def request_without_model_name(self, payload: InferenceRequest) -> InferenceResponse:
        return await self.predict(payload)

    @custom_handler(rest_path="/ping", rest_method="GET")
    async def ping(self) -> str:
        return "\n"

    @custom_handler(rest_path="/invocations")
    async def invocations(self, request: Request) -> Response:
        raw = await request.body()
        headers = {"x-given": request.headers.get("x-mine", ""), "x-keys": str("authorization" in request.headers)}
        return Response(raw.upper(), 201, headers, "text/plain")

    @custom_handler(rest_path="/items/{item}", rest_method="GET")
    async def item(self, item: int, wish: str = "none"):
        return {"item": item, "wish": wish}

    @custom_handler(rest_path="/numbers/{count}", rest_method="GET")
    async def numbers(self, count: int):
        async def pieces():
            for number in range(count):
                yield f"{number}\n"

        return StreamingResponse(pieces(), media_type="text/plain")

    @custom_handler(rest_path="/refuses")
    async def refuses(self):
        raise MLServerError("not today", 418)

    @custom_handler(rest_path="/fails", rest_method="GET")
    def fails(self):
        raise ValueError("no luck")
