"""Tokenize and detokenize as vLLM speaks them, asked of llama.cpp, which has its own words for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import orjson

from adapters.answers import Plain
from app.contracts import Outbound, Upstream
from app.errors import UpstreamBroken, UpstreamRefused
from app.operations import Operation

APPLY_TEMPLATE = Operation("apply_template", "/apply-template", "plain", streams=False, rooted=True)

_Asked = TypeVar("_Asked")


class _Tokenize(msgspec.Struct):
    prompt: str | None = None
    messages: list[Any] | None = None
    tools: list[Any] | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None


class _Detokenize(msgspec.Struct):
    tokens: list[int]


class Tokens:
    """A model's own tokenizer. `vocabulary` is how many tokens it has."""

    def __init__(self, upstream: Upstream, context_tokens: int, vocabulary: int) -> None:
        self._upstream = upstream
        self._context_tokens = context_tokens
        self._vocabulary = vocabulary

    async def tokenize(self, outbound: Outbound) -> Plain:
        """The tokens of a text, or of messages as the model's template shows them."""
        asked = _decoded(outbound.body, _Tokenize)
        if (asked.prompt is None) == (asked.messages is None):
            raise UpstreamRefused(400, "Either 'prompt' or 'messages' must be given.", param="prompt")
        text = asked.prompt if asked.prompt is not None else await self._shown(outbound, asked)
        special = asked.prompt is not None if asked.add_special_tokens is None else asked.add_special_tokens
        found = await self._ask(
            outbound, {"content": text, "add_special": special, "parse_special": True, "with_pieces": True}
        )
        pieces = found["tokens"]
        return _plain({
            "count": len(pieces),
            "max_model_len": self._context_tokens,
            "tokens": [piece["id"] for piece in pieces],
            "token_strs": [_text(piece["piece"]) for piece in pieces] if asked.return_token_strs else None,
        })

    async def detokenize(self, outbound: Outbound) -> Plain:
        """The text of tokens."""
        asked = _decoded(outbound.body, _Detokenize)
        if not all(0 <= token < self._vocabulary for token in asked.tokens):
            raise UpstreamRefused(400, f"A token is a number below {self._vocabulary}.", param="tokens")
        found = await self._ask(outbound, {"tokens": asked.tokens})
        return _plain({"prompt": found["content"]})

    async def _shown(self, outbound: Outbound, asked: _Tokenize) -> str:
        members = {"messages": asked.messages, **({"tools": asked.tools} if asked.tools else {})}
        found = await self._ask(replace(outbound, operation=APPLY_TEMPLATE), members)
        return str(found["prompt"])

    async def _ask(self, outbound: Outbound, members: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._upstream.open(replace(outbound, body=orjson.dumps(members))) as answer:
            found = orjson.loads(await answer.read())
        if not isinstance(found, dict):
            raise UpstreamBroken("The upstream's answer was not understood.", detail="tokenizer")
        return found


def _decoded(body: bytes, kind: type[_Asked]) -> _Asked:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise UpstreamRefused(400, f"{error}.") from None


def _text(piece: str | list[int]) -> str:
    """A token that is no whole UTF-8 text comes as its bytes."""
    return piece if isinstance(piece, str) else bytes(piece).decode("utf-8", "replace")


def _plain(members: Mapping[str, Any]) -> Plain:
    return Plain(orjson.dumps(members), "plain")
