"""Whether a server answers as it should: each adapter as its manifest says, and the base as itself beside adapters."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import msgspec

from adapters.directory import Directory
from app.loras.versions import Version

PROMPTS = ("1 2 3 4 5 6", "one two three four", "The", "a b c d e f g", "Question: why")
TOKENS = 12
LONG_TOKENS = 48
"""Of an adapter's answer, so that the base answers meanwhile."""
LEAST_OTHERS = 2
"""Prompts that are answered otherwise beside adapters, from which on it is another model that answers. One may be by chance: sums
in another order turn a close decision round.
"""


class Refused(Exception):
    """A replica will not take an adapter, whenever it is asked; the text says why."""


class Later(Exception):
    """A step did not succeed, and may the next time; the text says why."""


async def canary(directory: Directory, version: Version, seconds: float) -> None:
    """Ask an adapter what its manifest says that it answers; one without such a line has to answer at all.

    Raises Refused, Later and UpstreamFailure.
    """
    wanted = version.canary
    body: dict[str, Any] = {
        "model": version.name,
        "messages": [{"role": "user", "content": wanted.sent if wanted else "."}],
        "temperature": 0,
        "max_tokens": wanted.bound if wanted else 1,
        "cache_salt": _salt(),
    }
    answer = await directory.ask("POST", "chat/completions", body, seconds)
    if answer.status_code >= 500 or answer.status_code == 404:  # it may have begun anew meanwhile
        raise Later(f"its canary failed: {said(answer)}")
    if not answer.is_success:
        raise Refused(f"its canary was refused: {said(answer)}")
    if wanted and _text(answer) != wanted.answer:
        raise Refused("its canary was answered otherwise than its manifest says")


async def keeps_apart(
    directory: Directory, base: str, adapters: Sequence[str], seconds: float
) -> bool | None:
    """Whether the base's calls are its own in a batch with calls of these adapters; None where that could not be seen.

    vLLM's kernels for processors take a call without an adapter for one of the last slot (0.32: index -1), and answer it with
    that one's weights. Nothing tells of it, so it is looked for: the base is asked alone, then beside adapters. Its texts are
    compared, not its log-probabilities: the first call for those has an engine compile for half a minute.
    """
    otherwise = 0
    for prompt in PROMPTS:
        alone = await _said(directory, base, prompt, TOKENS, seconds)
        others = asyncio.gather(*(_said(directory, name, prompt, LONG_TOKENS, seconds) for name in adapters))
        beside: set[str | None] = set()
        while not others.done():  # an adapter may have to be loaded first, so that once is not enough
            beside.add(await _said(directory, base, prompt, TOKENS, seconds))
        if alone is None or None in beside or None in await others:
            return None
        otherwise += beside != {alone}
    return otherwise < LEAST_OTHERS


async def _said(directory: Directory, model: str, prompt: str, tokens: int, seconds: float) -> str | None:
    """What it goes on with, greedily; None where it did not answer as it should."""
    body = {
        "model": model,
        "prompt": prompt,
        "temperature": 0,
        "max_tokens": tokens,
        "ignore_eos": True,
        "cache_salt": _salt(),
    }
    answer = await directory.ask("POST", "completions", body, seconds)
    try:
        told: Mapping[str, Any] = msgspec.json.decode(answer.content)
        return str(told["choices"][0]["text"])
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
        return None


def _salt() -> str:
    """What was computed under a name before proves nothing."""
    return secrets.token_hex(16)


def said(answer: httpx.Response) -> str:
    """What a server says of a refusal, for operators."""
    try:
        told = msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"status {answer.status_code}"
    if told == {"detail": "Not Found"}:
        return "it takes no adapters while it runs: start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"
    error = told.get("error") if isinstance(told, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return f"status {answer.status_code}" + (f": {message[:500]}" if isinstance(message, str) else "")


def _text(answer: httpx.Response) -> str | None:
    try:
        content: Mapping[str, Any] = msgspec.json.decode(answer.content)
        text: str | None = content["choices"][0]["message"]["content"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
        return None
    return text
