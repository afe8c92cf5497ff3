"""POST /v1/completions."""

from typing import Any, Literal

from fastapi import APIRouter

from app.operations import COMPLETIONS
from app.relay import Relay
from routers.calls import Relayed, described
from routers.objects import Asked, Open, StreamOptions, Usage


class CompletionRequest(Asked):
    """A text to go on with."""

    prompt: str | list[str] | list[int] | list[list[int]]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    echo: bool | None = None
    logprobs: int | None = None
    user: str | None = None


class CompletionChoice(Open):
    index: int
    text: str
    logprobs: dict[str, Any] | None = None
    finish_reason: str | None = None


class Completion(Open):
    """The whole answer, or one event of a stream, which `data: [DONE]` ends."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


def router(relay: Relay) -> APIRouter:
    routes = APIRouter(tags=["completions"])

    @routes.post(COMPLETIONS.path, **described(CompletionRequest, Completion, Completion))
    async def create_completion() -> Relayed:
        """Continue a text."""
        return Relayed(relay, COMPLETIONS)

    return routes
