"""OpenAI's objects as the document shows them: what is known of them, and that more may stand beside it.

They describe and never check: a request is read by `app.wire`, an answer passes as the upstream wrote it.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Open(BaseModel):
    """An object that may hold more than is listed: what the gateway does not know passes through."""

    model_config = ConfigDict(extra="allow")


class ErrorDetail(BaseModel):
    message: str = Field(description="What is wrong, and what would be right.")
    type: str
    param: str | None = Field(description="The member of the request that is at fault.")
    code: str | None = Field(description="A name of the failure that programs can rely on.")


class ErrorObject(BaseModel):
    """Every failure, whoever caused it."""

    error: ErrorDetail


class InputDetails(Open):
    cached_tokens: int | None = None


class OutputDetails(Open):
    reasoning_tokens: int | None = None


class Usage(Open):
    """Tokens as the upstream counted them."""

    prompt_tokens: int
    completion_tokens: int | None = None
    total_tokens: int
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class StreamOptions(Open):
    include_usage: bool | None = Field(
        default=None, description="Whether the stream ends with an event that holds the usage."
    )


class Wished(BaseModel):
    """What is asked of the gateway itself; no upstream sees it."""

    mode: str | None = Field(default=None, description="A way of answering: `modes` of the configuration.")
    preset: str | list[str] | None = Field(default=None, description="Parameters by name: `presets`.")
    template: str | None = Field(
        default=None, description="A prompt template; its text begins the system's text."
    )
    variables: dict[str, str | int | float | bool | list[str]] | None = Field(
        default=None, description="The template's variables."
    )
    thinking: Literal["on", "off", "auto"] | None = Field(
        default=None, description="Whether a model that can do both shall think first."
    )
    conversation: str | None = Field(
        default=None, description="The same in all turns of one conversation, which keeps its model."
    )
    scenes: Literal["off", "shadow", "safe", "codebook", "scenes", "focus", "hyper", "auto"] | None = Field(
        default=None, description="How far the prompt may be said in fewer tokens."
    )
    recall: list[str] | None = Field(
        default=None,
        description="Sources that are asked what bears on the question: `memory`, `memory:SESSION`, or a name of `scenes.retrievers`.",
    )
    remember: str | None = Field(
        default=None, description="The session of the memory in which question and answer are kept."
    )


class Asked(Open):
    """A request to a model."""

    model: str = Field(
        min_length=1,
        max_length=256,
        description="A name that /v1/models lists; `auto` lets the router choose.",
    )
    models: list[str] | None = Field(
        default=None, max_length=8, description="Models to fall back to, the best first."
    )
    hyperbridge: Wished | None = None


class Part(Open):
    """A part of a message: text, an image, sound, a file."""

    type: str


class Function(Open):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = Field(default=None, description="A JSON schema of the arguments.")


class Tool(Open):
    type: str
    function: Function | None = None


class FunctionCall(Open):
    name: str | None = None
    arguments: str | None = Field(default=None, description="JSON text; in a stream a piece of it.")


class ToolCall(Open):
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionCall | None = None
