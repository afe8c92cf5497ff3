"""POST /v1/messages and its token count: Anthropic's interface, for upstreams that speak it."""

from typing import Any, Literal

from fastapi import APIRouter

from app.operations import COUNT_TOKENS, MESSAGES
from app.relay import Relay
from routers.calls import Relayed, described
from routers.objects import Asked, Open


class AnthropicMessage(Open):
    role: str
    content: str | list[dict[str, Any]]


class CountTokensRequest(Asked):
    """A conversation whose tokens are to be counted."""

    messages: list[AnthropicMessage]
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None


class MessagesRequest(CountTokensRequest):
    """A conversation to go on with."""

    max_tokens: int
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None


class AnthropicUsage(Open):
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int | None = None


class MessageObject(Open):
    """The whole answer."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[dict[str, Any]]
    stop_reason: str | None = None
    usage: AnthropicUsage


class MessageEvent(Open):
    """One event of a stream, from `message_start` to `message_stop`."""

    type: str


class TokenCount(Open):
    input_tokens: int


class AnthropicErrorDetail(Open):
    type: str
    message: str


class AnthropicError(Open):
    type: Literal["error"]
    error: AnthropicErrorDetail


def router(relay: Relay) -> APIRouter:
    routes = APIRouter(tags=["messages"])

    @routes.post(
        MESSAGES.path, **described(MessagesRequest, MessageObject, MessageEvent, failure=AnthropicError)
    )
    async def create_message() -> Relayed:
        """Answer a conversation in Anthropic's form."""
        return Relayed(relay, MESSAGES)

    @routes.post(COUNT_TOKENS.path, **described(CountTokensRequest, TokenCount, failure=AnthropicError))
    async def count_message_tokens() -> Relayed:
        """Count the tokens of a conversation without answering it."""
        return Relayed(relay, COUNT_TOKENS)

    return routes
