"""POST /v1/chat/completions."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from app.operations import CHAT
from app.relay import Relay
from routers.calls import Relayed, described
from routers.objects import Asked, Open, Part, StreamOptions, Tool, ToolCall, Usage


class ChatMessage(Open):
    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class ChatRequest(Asked):
    """A conversation to go on with."""

    messages: list[ChatMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    tools: list[Tool] | None = None
    tool_choice: Any = Field(default=None, description="auto, none, required, or one function.")
    response_format: dict[str, Any] | None = Field(
        default=None, description="text, json_object, or json_schema with the schema of the answer."
    )
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    user: str | None = None


class AssistantMessage(Open):
    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = Field(default=None, description="What a thinking model thought.")
    tool_calls: list[ToolCall] | None = None


class ChatChoice(Open):
    index: int
    message: AssistantMessage
    finish_reason: str | None = None


class ChatCompletion(Open):
    """The whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage | None = None


class ChatChunkChoice(Open):
    index: int
    delta: AssistantMessage
    finish_reason: str | None = None


class ChatCompletionChunk(Open):
    """One event of a stream, which `data: [DONE]` ends."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | None = None


def router(relay: Relay) -> APIRouter:
    routes = APIRouter(tags=["chat"])

    @routes.post(CHAT.path, **described(ChatRequest, ChatCompletion, ChatCompletionChunk))
    async def create_chat_completion() -> Relayed:
        """Answer a conversation: text, tool calls, structured output, images and sound where the model can."""
        return Relayed(relay, CHAT)

    return routes
