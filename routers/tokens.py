"""POST /tokenize and /detokenize: a model's own tokenizer, as vLLM offers it."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from app.operations import DETOKENIZE, TOKENIZE
from app.relay import Relay
from routers.calls import Relayed, described
from routers.objects import Open


class TokenizeRequest(Open):
    """A text or a conversation; one of the two."""

    model: str = Field(min_length=1, max_length=256, description="A name that /v1/models lists.")
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    return_token_strs: bool | None = None


class TokenizeResponse(Open):
    count: int
    tokens: list[int]
    max_model_len: int | None = None
    token_strs: list[str] | None = None


class DetokenizeRequest(Open):
    model: str = Field(min_length=1, max_length=256, description="A name that /v1/models lists.")
    tokens: list[int]


class DetokenizeResponse(Open):
    prompt: str


def router(relay: Relay) -> APIRouter:
    routes = APIRouter(tags=["tokens"])

    @routes.post(TOKENIZE.path, **described(TokenizeRequest, TokenizeResponse))
    async def tokenize() -> Relayed:
        """Show a text's tokens."""
        return Relayed(relay, TOKENIZE)

    @routes.post(DETOKENIZE.path, **described(DetokenizeRequest, DetokenizeResponse))
    async def detokenize() -> Relayed:
        """Turn tokens into text."""
        return Relayed(relay, DETOKENIZE)

    return routes
