"""Tokens of one answer, read from the three shapes that OpenAI's and Anthropic's interfaces use."""

from dataclasses import dataclass

import msgspec

MAX_TOKENS = 10**9
"""More than any answer has; what an upstream tells beyond it is not believed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the upstream reported them, or estimated where it reported none."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            estimated=self.estimated or other.estimated,
        )


class InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """The `usage` object of chat, completions and embeddings, of responses, and of Anthropic's messages."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None

    def over(self, earlier: Usage) -> Usage:
        """These counts, with the earlier ones where this object is silent (Anthropic sends them in parts)."""
        read = self.prompt_tokens if self.prompt_tokens is not None else self.input_tokens
        written = self.completion_tokens if self.completion_tokens is not None else self.output_tokens
        inputs = self.prompt_tokens_details or self.input_tokens_details
        outputs = self.completion_tokens_details or self.output_tokens_details
        cached = inputs.cached_tokens if inputs else self.cache_read_input_tokens
        reasoning = outputs.reasoning_tokens if outputs else None
        if read is not None:  # Anthropic counts cached input apart; here input_tokens is all of it
            read += (self.cache_read_input_tokens or 0) + (self.cache_creation_input_tokens or 0)
        return Usage(
            input_tokens=_count(read, earlier.input_tokens),
            output_tokens=_count(written, earlier.output_tokens),
            cached_tokens=_count(cached, earlier.cached_tokens),
            reasoning_tokens=_count(reasoning, earlier.reasoning_tokens),
        )


def _count(reported: int | None, earlier: int) -> int:
    """A number of tokens, whatever an upstream makes of it."""
    return earlier if reported is None else min(max(reported, 0), MAX_TOKENS)
