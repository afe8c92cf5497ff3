"""The demo as an upstream: it finds the operation's answer and hands it out, slowly where that is asked for."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from adapters.answers import Events, Plain
from adapters.demo import chat, completions, embeddings, messages, rerank, responses, tokenize
from adapters.demo.refusals import CONTEXT_TOKENS, refused
from app.contracts import Answer, ModelCard, Outbound, Upstream
from app.errors import UpstreamRefused, UpstreamTimeout

FAST = "demo"
SLOW = "demo-slow"
FIRST_PAUSE_SECONDS = 0.25
PAUSE_SECONDS = 0.05
_LONG_BYTES = 8 * 1024
"""Up to here a request is read and answered in a few milliseconds, unless it asks for a long answer."""
_MULTIPLYING = re.compile(rb'logprobs"|"(?:n|schema|parameters|input_schema|dimensions)"')
"""Members by which a short request can ask for a long answer."""
_EVENTS_AT_ONCE = 16
"""Then others get their turn; events with 20 log probabilities each took 3 ms together."""


class _Streaming(Protocol):
    def __call__(self, body: bytes, model: str, *, stream: bool) -> bytes | Iterator[bytes]: ...


_STREAMING: Mapping[str, _Streaming] = {
    "chat": chat.answer,
    "completions": completions.answer,
    "responses": responses.answer,
    "messages": messages.answer,
}
_PLAIN: Mapping[str, Callable[[bytes, str], bytes]] = {
    "embeddings": embeddings.answer,
    "rerank": rerank.answer,
    "count_tokens": lambda body, _: messages.count_tokens(body),
    "tokenize": lambda body, _: tokenize.tokenize(body),
    "detokenize": lambda body, _: tokenize.detokenize(body),
}


class Demo(Upstream):
    """Answers every operation; the same request gets the same words."""

    operations: frozenset[str] = frozenset({*_STREAMING, *_PLAIN})

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep

    async def models(self) -> list[ModelCard]:
        return [
            ModelCard(name, context_tokens=CONTEXT_TOKENS, modalities=("text", "image"), features=("tools",))
            for name in (FAST, SLOW)
        ]

    @asynccontextmanager
    async def open(self, outbound: Outbound) -> AsyncGenerator[Answer]:
        """Hold an answer; raises UpstreamRefused for a model or a body that is not right."""
        made = await _made(outbound)
        slow = outbound.model == SLOW
        if slow:
            await self._pause(FIRST_PAUSE_SECONDS, outbound.deadline)
        if isinstance(made, Plain):
            yield made
            return
        events = self._slowly(made, outbound.deadline) if slow else _at_once(made)
        try:
            yield Events(events, outbound.operation.dialect)
        finally:
            await events.aclose()

    async def _slowly(self, made: Iterator[bytes], deadline: float) -> AsyncGenerator[bytes, None]:
        yield next(made)
        for event in made:
            await self._pause(PAUSE_SECONDS, deadline)
            yield event

    async def _pause(self, seconds: float, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._sleep(seconds)
        except TimeoutError:
            raise UpstreamTimeout("The upstream did not answer in time.") from None


async def _at_once(made: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    for number, event in enumerate(made, 1):
        yield event
        if number % _EVENTS_AT_ONCE == 0:
            await asyncio.sleep(0)


async def _made(outbound: Outbound) -> Plain | Iterator[bytes]:
    """The answer; what may take long is done in a thread, so that the event loop does not stand still."""
    if len(outbound.body) > _LONG_BYTES or _MULTIPLYING.search(outbound.body):
        return await asyncio.to_thread(_answered, outbound)
    return _answered(outbound)


def _answered(outbound: Outbound) -> Plain | Iterator[bytes]:
    made = _spoken(outbound)
    return Plain(made, outbound.operation.dialect) if isinstance(made, bytes) else made


def _spoken(outbound: Outbound) -> bytes | Iterator[bytes]:
    if outbound.model not in {FAST, SLOW}:
        message = f"The demo upstream has no such model: it has {FAST!r} and {SLOW!r}."
        raise UpstreamRefused(404, message, code="model_not_found", param="model")
    try:
        plain = _PLAIN.get(outbound.operation.name)
        if plain is not None:
            return plain(outbound.body, outbound.model)
        streaming = _STREAMING[outbound.operation.name]
        return streaming(outbound.body, outbound.model, stream=outbound.stream)
    except RecursionError:
        raise refused("The body is nested too deeply.") from None
