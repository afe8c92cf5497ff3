"""POST /v1/responses."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from app.operations import RESPONSES
from app.relay import Relay
from routers.calls import Relayed, described
from routers.objects import Asked, Open


class ResponsesRequest(Asked):
    """Input for one response."""

    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    text: dict[str, Any] | None = Field(default=None, description="The format of the answer's text.")
    reasoning: dict[str, Any] | None = None
    user: str | None = None


class ResponsesUsage(Open):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class ResponseObject(Open):
    """The whole response."""

    id: str
    object: Literal["response"]
    model: str
    status: str
    output: list[dict[str, Any]]
    usage: ResponsesUsage | None = None


class ResponseEvent(Open):
    """One event of a stream, from `response.created` to `response.completed`."""

    type: str
    sequence_number: int


def router(relay: Relay) -> APIRouter:
    routes = APIRouter(tags=["responses"])

    @routes.post(RESPONSES.path, **described(ResponsesRequest, ResponseObject, ResponseEvent))
    async def create_response() -> Relayed:
        """Answer in the form of OpenAI's Responses."""
        return Relayed(relay, RESPONSES)

    return routes
