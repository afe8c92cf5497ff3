"""The members that several operations have in common, with the ranges OpenAI allows."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from adapters.demo.functions import Function
from adapters.demo.refusals import refused

Temperature = Annotated[float, Meta(ge=0, le=2)] | None
TopP = Annotated[float, Meta(ge=0, le=1)] | None
Penalty = Annotated[float, Meta(ge=-2, le=2)] | None
Limit = Annotated[int, Meta(ge=1)] | None
Choices = Annotated[int, Meta(ge=1, le=8)] | None
Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Stop = str | Annotated[list[str], Meta(max_length=16)] | None
Bias = dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None
Mode = Literal["none", "auto", "required"]
Schema = dict[str, Any]
TOOLS = Meta(max_length=128)
"""As many as OpenAI allows."""


class StreamOptions(Struct):
    include_usage: bool | None = None


class Sampling(Struct, kw_only=True):
    """How tokens are chosen: checked, though the demo has one choice only."""

    model: str | None = None
    temperature: Temperature = None
    top_p: TopP = None
    frequency_penalty: Penalty = None
    presence_penalty: Penalty = None
    logit_bias: Bias = None
    seed: int | None = None
    n: Choices = None
    stop: Stop = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None


def stops(stop: Stop) -> Sequence[str]:
    """The stop sequences; an empty one is none."""
    return [sequence for sequence in ([stop] if isinstance(stop, str) else stop or ()) if sequence]


def usage_asked(options: StreamOptions | None, *, stream: bool) -> bool:
    if options is not None and not stream:
        raise refused("'stream_options' is only allowed with 'stream'.", "stream_options")
    return bool(options and options.include_usage)


def require_offered(names: Sequence[str] | None, functions: Sequence[Function], *, required: bool) -> None:
    """A tool choice must be able to come true."""
    offered = {function.name for function in functions}
    if names is not None and not offered.issuperset(names):
        raise refused("'tool_choice' names a function that is not in 'tools'.", "tool_choice")
    if required and not offered:
        raise refused("'tool_choice' requires a function, and 'tools' has none.", "tool_choice")


def schema_tokens(tools: Any) -> int:
    """About how many tokens a model would be shown for these tools."""
    return len(msgspec.json.encode(tools)) // 4 if tools else 0
