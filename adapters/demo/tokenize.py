"""Tokenize and detokenize, as vLLM offers them."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from adapters.demo import chat_body, events, tokens
from adapters.demo.refusals import CONTEXT_TOKENS, read, refused

_MAX_CHARACTERS = 1 << 18


class Tokenize(Struct):
    prompt: str | None = None
    messages: Annotated[list[chat_body.Message], Meta(min_length=1)] | None = None
    return_token_strs: bool | None = None


class Detokenize(Struct):
    tokens: list[int]


_tokenize = msgspec.json.Decoder(Tokenize)
_detokenize = msgspec.json.Decoder(Detokenize)


def tokenize(body: bytes) -> bytes:
    """The ids of a prompt's tokens, or of those that messages are shown as."""
    asked = read(_tokenize, body)
    if (asked.prompt is None) == (asked.messages is None):
        raise refused("Either 'prompt' or 'messages' must be given.", "prompt")
    text = asked.prompt if asked.prompt is not None else chat_body.shown(asked.messages or ())
    if len(text) > _MAX_CHARACTERS:
        raise refused(f"At most {_MAX_CHARACTERS} characters can be tokenized in one request.", "prompt")
    pieces = tokens.split(text)
    made: dict[str, Any] = {
        "count": len(pieces),
        "max_model_len": CONTEXT_TOKENS,
        "tokens": tokens.ids(pieces),
    }
    return events.plain({**made, "token_strs": pieces if asked.return_token_strs else None})


def detokenize(body: bytes) -> bytes:
    """The text of ids that `tokenize` made."""
    asked = read(_detokenize, body)
    if not all(tokens.known(token) for token in asked.tokens):
        raise refused("'tokens' has an id that this model's tokenizer does not make.", "tokens")
    return events.plain({"prompt": tokens.text(asked.tokens)})
