"""The embedded model as an upstream: its names, what of a request it takes, its start and its end."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from adapters.embedded.names import Names
from adapters.embedded.running import Running
from app import config
from app.contracts import Answer, ModelCard, Outbound, Upstream
from app.errors import Unsupported, UpstreamRefused, UpstreamUnavailable
from app.wire import Members

TEXT = frozenset({"chat", "completions", "responses", "messages", "count_tokens"})
VECTORS = frozenset({"embeddings"})
TOKENS = frozenset({"tokenize", "detokenize"})

_WITHOUT_ADAPTERS = "messages"
"""The operation for which llama.cpp drops the member that names adapters."""

_NOT_TAKEN: Mapping[str, str] = {
    # The parser of grammars goes as deep as the client wants, and the process it could bring down is the gateway's.
    "grammar": "'grammar' is not offered here: send a JSON schema as 'response_format'.",
    "dimensions": "'dimensions' is not offered here: the model has one length of vectors.",
}


class Embedded(Upstream):
    """One model and its adapters. `name` is the upstream's in the configuration."""

    def __init__(self, name: str, settings: config.Embedded) -> None:
        self.operations: frozenset[str] = TOKENS | (VECTORS if settings.embeddings else TEXT)
        self._path = f"upstreams.{name}"
        self._settings = settings
        self._names = Names(settings)
        self._running: Running | None = None

    async def models(self) -> Sequence[ModelCard]:
        return self._names.cards

    async def start(self) -> None:
        """Load the model, beside the event loop as far as the wheel allows it. Raises CannotStart."""
        self._running = await asyncio.to_thread(Running, self._settings, self._path)

    async def close(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running.close()

    @asynccontextmanager
    async def open(self, outbound: Outbound) -> AsyncGenerator[Answer]:
        """Hold an answer; raises UpstreamFailure, also for a model or a member that is not there."""
        if self._running is None:
            raise UpstreamUnavailable("The model is not loaded.")
        async with self._running.open(self._prepared(outbound)) as answer:
            yield answer

    def _prepared(self, outbound: Outbound) -> Outbound:
        added = self._names.members(outbound.model)
        if outbound.operation.name in TOKENS:
            return outbound
        if outbound.operation.name == _WITHOUT_ADAPTERS and outbound.model != self._names.base:
            raise Unsupported(f"An adapter does not offer {outbound.operation.path} here.", param="model")
        members = Members.of(outbound.body)
        for name, message in _NOT_TAKEN.items():
            if members.raw(name) not in {None, b"null"}:
                raise UpstreamRefused(400, message, param=name)
        return replace(outbound, body=members.replaced(added))
