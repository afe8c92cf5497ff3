"""POST /v1/embeddings."""

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from app.operations import EMBEDDINGS
from app.relay import Relay
from routers.calls import Relayed, described
from routers.objects import Asked, Open, Usage


class EmbeddingRequest(Asked):
    """Texts to be turned into vectors."""

    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: str | None = None


class Embedding(Open):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(description="Numbers, or base64 of little-endian 32-bit floats.")


class EmbeddingList(Open):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage | None = None


def router(relay: Relay) -> APIRouter:
    routes = APIRouter(tags=["embeddings"])

    @routes.post(EMBEDDINGS.path, **described(EmbeddingRequest, EmbeddingList))
    async def create_embedding() -> Relayed:
        """Turn texts into vectors."""
        return Relayed(relay, EMBEDDINGS)

    return routes
