"""Tokens of one answer, read from the three shapes that OpenAI's and Anthropic's interfaces use."""

from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the upstream reported them, or estimated where it reported none."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False


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
            input_tokens=earlier.input_tokens if read is None else read,
            output_tokens=earlier.output_tokens if written is None else written,
            cached_tokens=earlier.cached_tokens if cached is None else cached,
            reasoning_tokens=earlier.reasoning_tokens if reasoning is None else reasoning,
        )
