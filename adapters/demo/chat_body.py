"""A chat completion's request: its messages, tools and response format, checked and made a turn."""

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from adapters.demo import bodies
from adapters.demo.functions import Function, Offer
from adapters.demo.refusals import prompt_tokens, refused
from adapters.demo.speech import Effort, Heard
from adapters.demo.turn import Shape, Turn

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
PartType = Literal["text", "refusal", "image_url", "video_url", "input_audio", "audio_url", "file"]

_ATTACHED = {
    "image_url": "images",
    "video_url": "images",
    "input_audio": "audios",
    "audio_url": "audios",
    "file": "files",
}


class Part(Struct):
    type: PartType
    text: str | None = None
    refusal: str | None = None
    image_url: dict[str, Any] | str | None = None
    video_url: dict[str, Any] | str | None = None
    input_audio: dict[str, Any] | None = None
    audio_url: dict[str, Any] | str | None = None
    file: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if getattr(self, self.type) is None:
            raise ValueError(f"A part of type '{self.type}' needs the member '{self.type}'")

    @property
    def words(self) -> str:
        return self.text or self.refusal or ""


class CalledFunction(Struct):
    name: str
    arguments: str


class ToolCall(Struct):
    function: CalledFunction
    id: str | None = None


class Message(Struct):
    role: Role
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None
    refusal: str | None = None

    def __post_init__(self) -> None:
        if self.role == "tool" and self.tool_call_id is None:
            raise ValueError("A message of role 'tool' needs the member 'tool_call_id'")
        silent = self.role == "assistant" and (self.tool_calls or self.function_call or self.refusal)
        if self.content is None and not silent:
            raise ValueError(f"A message of role '{self.role}' needs the member 'content'")

    @property
    def parts(self) -> Sequence[Part]:
        return self.content if isinstance(self.content, list) else ()

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.words for part in self.parts if part.words)

    @property
    def shown(self) -> str:
        """The message as a chat template would show it to a model."""
        calls = "".join(f"{call.function.name}{call.function.arguments}\n" for call in self.tool_calls or ())
        return f"<{self.role}>\n{self.text}\n{calls}"


class FunctionTool(Struct):
    name: bodies.Name
    description: str | None = None
    parameters: bodies.Schema | None = None
    strict: bool | None = None


class Tool(Struct, tag_field="type", tag="function"):
    function: FunctionTool


class FunctionName(Struct):
    name: str


class NamedFunction(Struct, tag_field="type", tag="function"):
    function: FunctionName


class Allowed(Struct):
    mode: Literal["auto", "required"]
    tools: list[NamedFunction]


class AllowedTools(Struct, tag_field="type", tag="allowed_tools"):
    allowed_tools: Allowed


class JsonSchema(Struct):
    name: bodies.Name
    schema: bodies.Schema
    strict: bool | None = None


class TextFormat(Struct, tag_field="type", tag="text"):
    pass


class ObjectFormat(Struct, tag_field="type", tag="json_object"):
    pass


class SchemaFormat(Struct, tag_field="type", tag="json_schema"):
    json_schema: JsonSchema


class TemplateOptions(Struct):
    enable_thinking: bool | None = None
    thinking: bool | None = None


class Body(bodies.Sampling, kw_only=True):
    messages: Annotated[list[Message], Meta(min_length=1)]
    max_tokens: bodies.Limit = None
    max_completion_tokens: bodies.Limit = None
    tools: Annotated[list[Tool], bodies.TOOLS] | None = None
    tool_choice: bodies.Mode | NamedFunction | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    response_format: TextFormat | ObjectFormat | SchemaFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning_effort: Effort | None = None
    chat_template_kwargs: TemplateOptions | None = None

    def turn(self) -> Turn:
        if self.top_logprobs is not None and not self.logprobs:
            raise refused("'top_logprobs' is only allowed with 'logprobs'.", "top_logprobs")
        return Turn(
            heard=heard(self.messages),
            limit=self.max_completion_tokens or self.max_tokens,
            stop=bodies.stops(self.stop),
            offer=_offer(self),
            shape=_shape(self.response_format),
            effort=_effort(self),
        )

    def prompt_tokens(self) -> int:
        more = bodies.schema_tokens(self.tools)
        return prompt_tokens(shown(self.messages), "messages", more)


decoder = msgspec.json.Decoder(Body)


def shown(messages: Sequence[Message]) -> str:
    """The prompt that the messages make."""
    return "".join([message.shown for message in messages]) + "<assistant>\n"


def heard(messages: Sequence[Message]) -> Heard:
    """The user's newest message, and what tools have answered since the demo last spoke."""
    newest = next((message for message in reversed(messages) if message.role == "user"), None)
    parts = newest.parts if newest else ()
    attached = Counter(_ATTACHED[part.type] for part in parts if part.type in _ATTACHED)
    answers = takewhile(lambda message: message.role in {"tool", "function"}, reversed(messages))
    results = [message.text for message in answers]
    result = "; ".join(reversed(results)) if results else None
    return Heard(newest.text if newest else "", result=result, **attached)


def _offer(body: Body) -> Offer:
    functions = [Function(tool.function.name, tool.function.parameters) for tool in body.tools or ()]
    mode, names = _choice(body.tool_choice)
    bodies.require_offered(names, functions, required=mode == "required")
    parallel = body.parallel_tool_calls is not False and not isinstance(body.tool_choice, NamedFunction)
    return Offer(functions, mode, None if names is None else frozenset(names), parallel)


def _choice(
    choice: bodies.Mode | NamedFunction | AllowedTools | None,
) -> tuple[bodies.Mode, Sequence[str] | None]:
    if isinstance(choice, NamedFunction):
        return "required", [choice.function.name]
    if isinstance(choice, AllowedTools):
        return choice.allowed_tools.mode, [tool.function.name for tool in choice.allowed_tools.tools]
    return choice or "auto", None


def _shape(format_: TextFormat | ObjectFormat | SchemaFormat | None) -> Shape | None:
    if isinstance(format_, SchemaFormat):
        return Shape(format_.json_schema.schema, "response_format.json_schema.schema")
    return Shape(None, "response_format") if isinstance(format_, ObjectFormat) else None


def _effort(body: Body) -> Effort:
    """How much to think: as the template's switch says, else as the effort says."""
    options = body.chat_template_kwargs or TemplateOptions()
    switch = options.enable_thinking if options.enable_thinking is not None else options.thinking
    effort = body.reasoning_effort or "none"
    if switch is None:
        return effort
    if switch:
        return "medium" if effort == "none" else effort
    return "none"
