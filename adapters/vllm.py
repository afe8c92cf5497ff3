"""vLLM: replicas with the same models and LoRA adapters behind one upstream name.

vLLM's own administration (loading adapters, sleeping, resetting caches) has no authentication worth the name
and is reached from here only, never from a client's path.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec

from adapters.breaking import Breaking, circuit_open
from adapters.directory import Directory
from app.contracts import Answer, ModelCard, Outbound
from app.errors import UpstreamFailure, UpstreamUnavailable
from app.outcomes import counts
from app.wire import Members

ASIDE_SECONDS = 5.0
"""How long a replica that could not be reached is asked last: before its circuit has seen enough to open, each call
would wait for it as long as it takes to connect.
"""

LOAD_SECONDS = 120.0
"""How long a replica may take to read an adapter from its disk."""

_GUIDED = {
    "guided_json": "json",
    "guided_regex": "regex",
    "guided_choice": "choice",
    "guided_grammar": "grammar",
    "guided_whitespace_pattern": "whitespace_pattern",
}
"""Members that vLLM took before 0.12 and silently ignores since; each has a name in `structured_outputs`."""


class Replica:
    """One vLLM server: where it is, its upstream, its administration, and how many calls it is answering."""

    def __init__(self, where: str, upstream: Breaking, directory: Directory) -> None:
        self.where = where
        self.upstream = upstream
        self.breaker = upstream.breaker
        self.directory = directory
        self.in_flight = 0
        self.asked = 0
        self._aside_until = 0.0

    def rank(self, tried: frozenset[str], now: float) -> tuple[bool, bool, int, int]:
        """Lower is asked earlier: where the call has not failed, who can be reached, who answers fewest, who was
        asked least.
        """
        unreachable = self.breaker.doubted or now < self._aside_until
        return self.where in tried, unreachable, self.in_flight, self.asked

    @asynccontextmanager
    async def open(self, outbound: Outbound) -> AsyncGenerator[Answer]:
        self.in_flight += 1
        self.asked += 1
        try:
            async with self.upstream.open(outbound) as answer:
                yield answer
        except UpstreamFailure as failure:
            failure.where = self.where
            if isinstance(failure, UpstreamUnavailable) and counts(failure):
                self._aside_until = asyncio.get_running_loop().time() + ASIDE_SECONDS
            raise
        finally:
            self.in_flight -= 1

    async def lists(self, name: str) -> bool:
        return any(card.id == name for card in await self.directory.cards())


class Vllm:
    """Sends each call to the replica that is answering the fewest."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = tuple(replicas)

    @asynccontextmanager
    async def open(self, outbound: Outbound) -> AsyncGenerator[Answer]:
        tried = set(outbound.tried)
        try:
            async with contextlib.AsyncExitStack() as held:
                yield await self._open(structured(outbound), held, tried)
        except UpstreamFailure as failure:
            failure.elsewhere = counts(failure) and any(
                replica.where not in tried for replica in self._admitting()
            )
            raise

    async def _open(self, outbound: Outbound, held: contextlib.AsyncExitStack, tried: set[str]) -> Answer:
        """An answer from the least loaded replica; where nothing could be sent to it, from the next.

        One that answers that it is overloaded was asked: whether another is, the bounds of the attempts say.
        """
        now = asyncio.get_running_loop().time()
        ranked = sorted(self._admitting(), key=lambda replica: replica.rank(outbound.tried, now))
        if not ranked:
            raise circuit_open(min(replica.breaker.seconds_left(now) for replica in self._replicas))
        *others, last = ranked
        for replica in others:
            tried.add(replica.where)
            try:
                return await held.enter_async_context(replica.open(outbound))
            except UpstreamUnavailable as failure:
                if failure.answered:
                    raise
        tried.add(last.where)
        return await held.enter_async_context(last.open(outbound))

    def _admitting(self) -> list[Replica]:
        now = asyncio.get_running_loop().time()
        return [replica for replica in self._replicas if replica.breaker.admits(now)]

    async def models(self) -> list[ModelCard]:
        """The models and LoRA adapters that any replica lists. Raises UpstreamFailure where none answers."""
        lists = await asyncio.gather(*(_listed(replica) for replica in self._replicas))
        found = [cards for cards in lists if not isinstance(cards, UpstreamFailure)]
        if not found:
            raise next(failure for failure in lists if isinstance(failure, UpstreamFailure))
        return list({card.id: card for cards in found for card in cards}.values())

    async def load(self, name: str, path: str) -> None:
        """Load a LoRA adapter on every replica, one after the other: loading stalls a replica's engine.

        `path` is on the replica's disk. A replica that lists the name is left alone, so a load that stopped
        half way can be repeated. Raises UpstreamFailure; what was loaded before it stays loaded.
        """
        for replica in self._replicas:
            if not await replica.lists(name):
                wanted = {"lora_name": name, "lora_path": path}
                await replica.directory.request("POST", "load_lora_adapter", wanted, LOAD_SECONDS)

    async def unload(self, name: str) -> None:
        """Take a LoRA adapter's name away wherever it is listed; every replica is tried before a failure is raised."""
        failures: list[UpstreamFailure] = []
        for replica in self._replicas:
            try:
                if await replica.lists(name):
                    await replica.directory.request("POST", "unload_lora_adapter", {"lora_name": name})
            except UpstreamFailure as failure:
                failures.append(failure)
        if failures:
            raise failures[0]


async def _listed(replica: Replica) -> Sequence[ModelCard] | UpstreamFailure:
    try:
        return await replica.directory.cards()
    except UpstreamFailure as failure:
        return failure


def structured(outbound: Outbound) -> Outbound:
    """Write `guided_*` members as `structured_outputs`; vLLM would answer without any constraint."""
    if b'"guided_' not in outbound.body:
        return outbound
    members = Members.of(outbound.body)
    asked = {
        new: msgspec.Raw(raw)
        for old, new in _GUIDED.items()
        if (raw := members.raw(old)) is not None and raw != b"null"
    }
    if not asked or members.value("structured_outputs") is not None:
        return outbound
    return replace(outbound, body=members.replaced({"structured_outputs": msgspec.json.encode(asked)}))
