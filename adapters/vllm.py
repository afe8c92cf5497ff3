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

from adapters.directory import Directory
from app.contracts import Answer, ModelCard, Outbound, Upstream
from app.errors import UpstreamFailure, UpstreamUnavailable
from app.operations import OPERATIONS as ALL
from app.wire import Members

OPERATIONS = frozenset(operation.name for operation in ALL.values())

LOAD_SECONDS = 120.0
"""How long a replica may take to read an adapter from its disk."""

_GUIDED = {
    "guided_json": "json",
    "guided_regex": "regex",
    "guided_choice": "choice",
    "guided_grammar": "grammar",
}
"""Members that vLLM took before 0.12 and silently ignores since; each has a name in `structured_outputs`."""


class Replica:
    """One vLLM server: its upstream, its administration, and how many calls it is answering."""

    def __init__(self, upstream: Upstream, directory: Directory) -> None:
        self.upstream = upstream
        self.directory = directory
        self.in_flight = 0
        self.asked = 0


class Vllm:
    """Sends each call to the replica that is answering the fewest."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = list(replicas)

    @asynccontextmanager
    async def open(self, outbound: Outbound) -> AsyncGenerator[Answer]:
        async with contextlib.AsyncExitStack() as held:
            yield await self._open(structured(outbound), held)

    async def _open(self, outbound: Outbound, held: contextlib.AsyncExitStack) -> Answer:
        """An answer from the least loaded replica, or the next one where a replica cannot be reached."""
        unreachable: UpstreamUnavailable | None = None
        for replica in sorted(self._replicas, key=lambda each: (each.in_flight, each.asked)):
            try:
                return await held.enter_async_context(_counted(replica, outbound))
            except UpstreamUnavailable as failure:
                unreachable = failure
        raise unreachable or UpstreamUnavailable("The upstream has no replica.")

    async def models(self) -> list[ModelCard]:
        """The models and LoRA adapters that any replica lists."""
        lists = await asyncio.gather(
            *(replica.directory.cards() for replica in self._replicas), return_exceptions=True
        )
        found = [cards for cards in lists if isinstance(cards, list)]
        if not found:
            raise next(failure for failure in lists if isinstance(failure, BaseException))
        return list({card.id: card for cards in found for card in cards}.values())

    async def load(self, name: str, path: str) -> None:
        """Load a LoRA adapter on every replica, one after the other: loading stalls a replica's engine.

        `path` is on the replica's disk. Raises UpstreamFailure; what was loaded before it stays loaded.
        """
        for replica in self._replicas:
            await replica.directory.request(
                "POST", "load_lora_adapter", {"lora_name": name, "lora_path": path}, LOAD_SECONDS
            )

    async def unload(self, name: str) -> None:
        """Take a LoRA adapter's name away on every replica; every one is tried before a failure is raised."""
        failures: list[UpstreamFailure] = []
        for replica in self._replicas:
            try:
                await replica.directory.request("POST", "unload_lora_adapter", {"lora_name": name})
            except UpstreamFailure as failure:
                failures.append(failure)
        if failures:
            raise failures[0]


@asynccontextmanager
async def _counted(replica: Replica, outbound: Outbound) -> AsyncGenerator[Answer]:
    replica.in_flight += 1
    replica.asked += 1
    try:
        async with replica.upstream.open(outbound) as answer:
            yield answer
    finally:
        replica.in_flight -= 1


def structured(outbound: Outbound) -> Outbound:
    """Write `guided_*` members as `structured_outputs`; vLLM would answer without any constraint."""
    if b'"guided_' not in outbound.body:
        return outbound
    members = Members.of(outbound.body)
    found = {new: members.value(old) for old, new in _GUIDED.items() if members.value(old) is not None}
    if not found or members.has("structured_outputs"):
        return outbound
    return replace(outbound, body=members.replaced({"structured_outputs": msgspec.json.encode(found)}))
