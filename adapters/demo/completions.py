"""Text completions: one body, or chunks; several prompts and several choices each."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from adapters.demo import bodies, events, logprobs, texts, tokens
from adapters.demo.chat import FINGERPRINT, usage_of
from adapters.demo.refusals import prompt_tokens, read, refused
from adapters.demo.speech import Heard
from adapters.demo.turn import Said, Turn, speak

_MAX_CHOICES = 128
_ECHOED_AT_ONCE = 16


class Body(bodies.Sampling, kw_only=True):
    prompt: texts.Texts
    max_tokens: bodies.Limit = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    best_of: Annotated[int, Meta(ge=1, le=20)] | None = None
    suffix: str | None = None


_decoder = msgspec.json.Decoder(Body)


@dataclass(frozen=True, slots=True)
class _Choice:
    """One choice; `echo` is the prompt's tokens, where they are to be shown before the answer's."""

    index: int
    echo: Sequence[str]
    said: Said


def answer(body: bytes, model: str, *, stream: bool) -> bytes | Iterator[bytes]:
    """The whole answer, or its events; raises UpstreamRefused before anything is said."""
    asked = read(_decoder, body)
    with_usage = bodies.usage_asked(asked.stream_options, stream=stream)
    prompts = texts.listed(asked.prompt, "prompt")
    if len(prompts) * (asked.n or 1) > _MAX_CHOICES:
        raise refused(f"At most {_MAX_CHOICES} choices can be made in one request.", "prompt")
    read_tokens = sum(prompt_tokens(prompt, "prompt") for prompt in prompts)
    choices = list(_choices(asked, prompts))
    usage = usage_of(read_tokens, [choice.said for choice in choices])
    envelope = {
        "id": events.fresh("cmpl-"),
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": FINGERPRINT,
    }
    if stream:
        return _events(envelope, choices, asked.logprobs, usage if with_usage else None)
    return events.plain({
        **envelope,
        "choices": [_whole(choice, asked.logprobs) for choice in choices],
        "usage": usage,
    })


def _choices(asked: Body, prompts: Sequence[str]) -> Iterator[_Choice]:
    index = 0
    for prompt in prompts:
        turn = Turn(Heard(prompt), limit=asked.max_tokens, stop=bodies.stops(asked.stop))
        echo = tokens.split(prompt) if asked.echo else []
        for variant in range(asked.n or 1):
            yield _Choice(index, echo, speak(turn, variant))
            index += 1


def _events(
    envelope: dict[str, Any], choices: Sequence[_Choice], top: int | None, usage: dict[str, Any] | None
) -> Iterator[bytes]:
    frame = events.Frame(envelope, announces=usage is not None)
    for shown in events.interleaved([_chunks(choice, top) for choice in choices]):
        yield frame.chunk(shown)
    if usage is not None:
        yield events.data({**envelope, "choices": [], "usage": usage})
    yield events.DONE


def _chunks(choice: _Choice, top: int | None) -> Iterator[dict[str, Any]]:
    """The echo in large pieces, the answer's tokens one by one, and how it finished."""
    starts = range(0, len(choice.echo), _ECHOED_AT_ONCE)
    echo = (choice.echo[start : start + _ECHOED_AT_ONCE] for start in starts)
    offset = 0
    for pieces in (*echo, *([piece] for piece in choice.said.pieces)):
        shown = _shown(choice, pieces, top, offset)
        offset += len(shown["text"])
        yield shown
    yield {**_shown(choice, [], None), "finish_reason": choice.said.finish}


def _whole(choice: _Choice, top: int | None) -> dict[str, Any]:
    shown = _shown(choice, [*choice.echo, *choice.said.pieces], top)
    return {**shown, "finish_reason": choice.said.finish}


def _shown(choice: _Choice, pieces: Sequence[str], top: int | None, offset: int = 0) -> dict[str, Any]:
    probabilities = None if top is None else _logprobs(pieces, top, offset)
    return {
        "text": "".join(pieces),
        "index": choice.index,
        "logprobs": probabilities,
        "finish_reason": None,
    }


def _logprobs(pieces: Sequence[str], top: int, offset: int) -> dict[str, Any]:
    """The older shape: parallel arrays, and the likeliest tokens as an object."""
    entries = logprobs.entries(pieces, top)
    likeliest = [{one.token: one.logprob for one in entry.top_logprobs} for entry in entries]
    return {
        "tokens": pieces,
        "token_logprobs": [entry.logprob for entry in entries],
        "top_logprobs": likeliest if top else None,
        "text_offset": list(accumulate(map(len, pieces[:-1]), initial=offset)),
    }
