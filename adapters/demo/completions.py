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
    """One choice: `pieces` are what it shows, the echoed prompt included."""

    index: int
    pieces: Sequence[str]
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
            said = speak(turn, variant)
            yield _Choice(index, [*echo, *said.pieces], said)
            index += 1


def _whole(choice: _Choice, top: int | None) -> dict[str, Any]:
    probabilities = None if top is None else _logprobs(choice.pieces, top, 0)
    return _shown(choice, "".join(choice.pieces), probabilities, choice.said.finish)


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
    offset = 0
    for piece in choice.pieces:
        yield _shown(choice, piece, None if top is None else _logprobs([piece], top, offset), None)
        offset += len(piece)
    yield _shown(choice, "", None, choice.said.finish)


def _shown(
    choice: _Choice, text: str, probabilities: dict[str, Any] | None, finish: str | None
) -> dict[str, Any]:
    return {"text": text, "index": choice.index, "logprobs": probabilities, "finish_reason": finish}


def _logprobs(pieces: Sequence[str], top: int, offset: int) -> dict[str, Any]:
    """The older shape: parallel arrays, and the likeliest tokens as an object."""
    entries = logprobs.entries(pieces, top)
    likeliest = [{one["token"]: one["logprob"] for one in entry["top_logprobs"]} for entry in entries]
    return {
        "tokens": list(pieces),
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": likeliest if top else None,
        "text_offset": list(accumulate(map(len, pieces[:-1]), initial=offset)),
    }
