"""A response's request: its input items, tools and text format, checked and made a turn."""

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from adapters.demo import bodies
from adapters.demo.functions import Function, Offer
from adapters.demo.refusals import prompt_tokens, refused
from adapters.demo.speech import Effort, Heard
from adapters.demo.turn import Shape, Turn

Role = Literal["system", "developer", "user", "assistant"]
PartType = Literal[
    "input_text",
    "output_text",
    "text",
    "refusal",
    "input_image",
    "input_file",
    "input_audio",
    "reasoning_text",
    "summary_text",
]
_WORDED = frozenset({"input_text", "output_text", "text", "reasoning_text", "summary_text"})
_ATTACHED = {"input_image": "images", "input_file": "files", "input_audio": "audios"}


class Part(Struct):
    type: PartType
    text: str | None = None
    refusal: str | None = None

    def __post_init__(self) -> None:
        if self.type in _WORDED and self.text is None:
            raise ValueError(f"A part of type '{self.type}' needs the member 'text'")


class Item(Struct):
    """A message, a call, a call's output, or another item, which is passed over."""

    type: str = "message"
    role: Role | None = None
    content: str | list[Part] | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[Part] | None = None
    call_id: str | None = None

    def __post_init__(self) -> None:
        if self.type == "message" and (self.role is None or self.content is None):
            raise ValueError("A message needs the members 'role' and 'content'")
        if self.type == "function_call_output" and (self.call_id is None or self.output is None):
            raise ValueError("A function's output needs the members 'call_id' and 'output'")

    @property
    def parts(self) -> Sequence[Part]:
        return self.content if isinstance(self.content, list) else ()

    @property
    def text(self) -> str:
        return _words(self.output if self.type == "function_call_output" else self.content)

    @property
    def shown(self) -> str:
        return f"<{self.role or self.type}>\n{self.name or ''}{self.arguments or ''}{self.text}\n"


class Tool(Struct):
    """A function, or one of OpenAI's own tools, which are taken and never used."""

    type: str
    name: str | None = None
    parameters: bodies.Schema | None = None

    def __post_init__(self) -> None:
        if self.type == "function" and not self.name:
            raise ValueError("A function needs the member 'name'")


class Choice(Struct):
    type: str
    name: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[Tool] | None = None


class Format(Struct):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: bodies.Name | None = None
    schema: bodies.Schema | None = None

    def __post_init__(self) -> None:
        if self.type == "json_schema" and (self.name is None or self.schema is None):
            raise ValueError("A format of type 'json_schema' needs the members 'name' and 'schema'")


class Text(Struct):
    format: Format | None = None


class Reasoning(Struct):
    effort: Effort | None = None


class Body(Struct, kw_only=True):
    input: str | list[Item] = ""
    instructions: str | None = None
    max_output_tokens: bodies.Limit = None
    temperature: bodies.Temperature = None
    top_p: bodies.TopP = None
    tools: Annotated[list[Tool], bodies.TOOLS] | None = None
    tool_choice: bodies.Mode | Choice | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    include: list[str] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    metadata: dict[str, str] | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    stream: bool | None = None

    @property
    def items(self) -> Sequence[Item]:
        return self.input if isinstance(self.input, list) else [Item(role="user", content=self.input)]

    def turn(self) -> Turn:
        self._require_statelessness()
        if not self.input:
            raise refused("'input' must not be empty.", "input", code="missing_required_parameter")
        return Turn(
            heard=_heard(self.items),
            limit=self.max_output_tokens,
            offer=_offer(self),
            shape=_shape(self.text.format if self.text else None),
            effort=(self.reasoning.effort if self.reasoning else None) or "none",
        )

    def prompt_tokens(self) -> int:
        system = f"<system>\n{self.instructions}\n" if self.instructions else ""
        text = system + "".join([item.shown for item in self.items])
        return prompt_tokens(text + "<assistant>\n", "input", bodies.schema_tokens(self.tools))

    def _require_statelessness(self) -> None:
        if self.previous_response_id is not None:
            said = "Previous response not found: the demo upstream keeps none. Send the whole conversation as 'input'."
            raise refused(said, "previous_response_id", code="previous_response_not_found")
        if self.conversation is not None:
            raise refused(
                "The demo upstream keeps no conversations. Send the messages as 'input'.", "conversation"
            )
        if self.background:
            raise refused("The demo upstream does not answer in the background.", "background")


class Echo(Struct):
    """Members that the answer repeats as they came."""

    tools: Raw = Raw(b"[]")
    tool_choice: Raw = Raw(b'"auto"')
    text: Raw = Raw(b'{"format":{"type":"text"}}')
    reasoning: Raw = Raw(b'{"effort":null,"summary":null}')


decoder = msgspec.json.Decoder(Body)
echo_decoder = msgspec.json.Decoder(Echo)


def _words(content: str | list[Part] | None) -> str:
    if isinstance(content, list):
        return "\n".join([part.text or part.refusal or "" for part in content])
    return content or ""


def _heard(items: Sequence[Item]) -> Heard:
    """The user's newest message, and what functions have answered since the demo last spoke."""
    newest = next((item for item in reversed(items) if item.role == "user"), None)
    parts = newest.parts if newest else ()
    attached = Counter(_ATTACHED[part.type] for part in parts if part.type in _ATTACHED)
    results = [
        item.text for item in takewhile(lambda item: item.type == "function_call_output", reversed(items))
    ]
    result = "; ".join(reversed(results)) if results else None
    return Heard(newest.text if newest else "", result=result, **attached)


def _offer(body: Body) -> Offer:
    functions = [
        Function(tool.name, tool.parameters)
        for tool in body.tools or ()
        if tool.type == "function" and tool.name
    ]
    mode, names = _choice(body.tool_choice)
    bodies.require_offered(names, functions, required=mode == "required")
    single = isinstance(body.tool_choice, Choice) and body.tool_choice.type == "function"
    allowed = None if names is None else frozenset(names)
    return Offer(functions, mode, allowed, body.parallel_tool_calls is not False and not single)


def _choice(choice: bodies.Mode | Choice | None) -> tuple[bodies.Mode, Sequence[str] | None]:
    if not isinstance(choice, Choice):
        return choice or "auto", None
    if choice.type == "function":
        return "required", [choice.name or ""]
    if choice.type == "allowed_tools":
        return choice.mode or "auto", [tool.name for tool in choice.tools or () if tool.name]
    return "auto", None


def _shape(format_: Format | None) -> Shape | None:
    if format_ is None or format_.type == "text":
        return None
    return Shape(format_.schema if format_.type == "json_schema" else None, "text.format.schema")
