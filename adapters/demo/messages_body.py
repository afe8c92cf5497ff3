"""A request of Anthropic's messages: its blocks, tools and thinking, checked and made a turn."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from adapters.demo import bodies
from adapters.demo.functions import Function, Offer
from adapters.demo.refusals import prompt_tokens
from adapters.demo.speech import Effort, Heard
from adapters.demo.turn import Shape, Turn

BlockType = Literal[
    "text",
    "image",
    "document",
    "search_result",
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "tool_search_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "container_upload",
]
_ATTACHED = {"image": "images", "document": "files"}


class Block(Struct):
    type: BlockType
    text: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: Any = None

    def __post_init__(self) -> None:
        if self.type == "text" and self.text is None:
            raise ValueError("A block of type 'text' needs the member 'text'")
        if self.type == "tool_use" and self.name is None:
            raise ValueError("A block of type 'tool_use' needs the member 'name'")
        if self.type == "tool_result" and self.tool_use_id is None:
            raise ValueError("A block of type 'tool_result' needs the member 'tool_use_id'")

    @property
    def result(self) -> str:
        """What a tool answered, as far as it is text."""
        if isinstance(self.content, str):
            return self.content
        blocks = self.content if isinstance(self.content, list) else []
        texts = [block.get("text") for block in blocks if isinstance(block, dict)]
        return "\n".join([text for text in texts if isinstance(text, str)])

    @property
    def shown(self) -> str:
        called = f"{self.name}{msgspec.json.encode(self.input).decode()}" if self.name else ""
        return f"{self.text or ''}{called}{self.result}\n"


class Message(Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]

    @property
    def blocks(self) -> Sequence[Block]:
        return self.content if isinstance(self.content, list) else ()

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join([block.text for block in self.content if block.text])

    @property
    def shown(self) -> str:
        content = self.content if isinstance(self.content, str) else "".join([b.shown for b in self.content])
        return f"<{self.role}>\n{content}\n"


class Tool(Struct):
    """A client's tool has a schema; Anthropic's own have none, are taken and never used."""

    name: str
    type: str | None = None
    input_schema: bodies.Schema | None = None

    def __post_init__(self) -> None:
        if self.type in {None, "custom"} and self.input_schema is None:
            raise ValueError("A tool needs the member 'input_schema'")


class ToolChoice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None

    def __post_init__(self) -> None:
        if self.type == "tool" and self.name is None:
            raise ValueError("A tool choice of type 'tool' needs the member 'name'")


class Thinking(Struct):
    type: Literal["enabled", "adaptive", "between_tools", "disabled"]
    budget_tokens: bodies.Limit = None


class Format(Struct, tag_field="type", tag="json_schema"):
    schema: bodies.Schema


class OutputConfig(Struct):
    effort: Effort | None = None
    format: Format | None = None


class Counted(Struct, kw_only=True):
    """What counting needs; an answer needs more."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    system: str | list[Block] | None = None
    tools: Annotated[list[Tool], bodies.TOOLS] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None

    def prompt_tokens(self) -> int:
        system = [Message("system", self.system)] if self.system else []
        text = "".join([message.shown for message in [*system, *self.messages]])
        return prompt_tokens(text + "<assistant>\n", "messages", bodies.schema_tokens(self.tools))


class Body(Counted, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=1)]
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: bodies.TopP = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stream: bool | None = None
    metadata: dict[str, Any] | None = None

    def turn(self) -> Turn:
        config = self.output_config or OutputConfig()
        return Turn(
            heard=_heard(self.messages),
            limit=self.max_tokens,
            stop=bodies.stops(self.stop_sequences),
            offer=_offer(self),
            shape=Shape(config.format.schema, "output_config.format.schema") if config.format else None,
            effort=_effort(self.thinking, config.effort),
        )


decoder = msgspec.json.Decoder(Body)
counted_decoder = msgspec.json.Decoder(Counted)


def _heard(messages: Sequence[Message]) -> Heard:
    """The user's newest words, and what tools answered in the last message."""
    spoken = [message for message in messages if message.role == "user"]
    newest = next((message for message in reversed(spoken) if message.text), spoken[-1] if spoken else None)
    blocks = newest.blocks if newest else ()
    attached = Counter(_ATTACHED[block.type] for block in blocks if block.type in _ATTACHED)
    results = [block.result for block in messages[-1].blocks if block.type == "tool_result"]
    return Heard(newest.text if newest else "", result="; ".join(results) if results else None, **attached)


def _offer(body: Body) -> Offer:
    functions = [
        Function(tool.name, tool.input_schema) for tool in body.tools or () if tool.input_schema is not None
    ]
    choice = body.tool_choice or ToolChoice("auto")
    names = [choice.name] if choice.type == "tool" and choice.name else None
    modes: dict[str, bodies.Mode] = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}
    mode = modes[choice.type]
    bodies.require_offered(names, functions, required=mode == "required")
    parallel = not choice.disable_parallel_tool_use and names is None
    return Offer(functions, mode, None if names is None else frozenset(names), parallel)


def _effort(thinking: Thinking | None, effort: Effort | None) -> Effort:
    """Thinking is off until it is switched on; then the effort says how much."""
    return effort or "medium" if thinking is not None and thinking.type != "disabled" else "none"
