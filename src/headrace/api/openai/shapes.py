"""What OpenAI's clients are answered."""

from typing import Any, Literal

import msgspec


class ErrorDetails(msgspec.Struct):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(msgspec.Struct):
    error: ErrorDetails


class ModelCard(msgspec.Struct):
    id: str
    created: int  # seconds
    owned_by: str
    object: Literal["model"] = "model"


class ModelCards(msgspec.Struct):
    data: list[ModelCard]
    object: Literal["list"] = "list"


class Choice(msgspec.Struct, omit_defaults=True):
    """`text` of a completion, `message` of a chat, `delta` of a piece of a chat."""

    index: int
    finish_reason: str | None
    text: str | msgspec.UnsetType = msgspec.UNSET
    message: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    delta: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class Completion(msgspec.Struct):
    """Also one piece of it. Tokens are the model's affair: there is no `usage`."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]


class Embedding(msgspec.Struct):
    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class Usage(msgspec.Struct):
    prompt_tokens: int = 0
    total_tokens: int = 0


class Embeddings(msgspec.Struct):
    model: str
    data: list[Embedding]
    object: Literal["list"] = "list"
    usage: Usage = msgspec.field(default_factory=Usage)
