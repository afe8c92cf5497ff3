"""Who is asked what bears on a question: the key's own memory, and the retrievers of the configuration."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.archive import Archive
from app.contracts import Call
from app.memory.wanted import WantedSearch
from app.retriever import Retriever, Unanswered
from app.scene_vectors import Vectors
from scenes.recollected import Passage

FROM_MEMORY = 12
"""Scenes that a memory is asked for."""
MOST_CHARACTERS = 8000
"""Of one passage."""


@dataclass(frozen=True, slots=True)
class OfMemory:
    """Scenes of the caller's own memory, of a session or of all ("" )."""

    archive: Archive
    session: str
    vectors: Vectors | None

    async def passages(self, call: Call, question: str) -> Sequence[Passage]:
        """Raises Failure where the caller has no memory, or the gateway has none."""
        wanted = WantedSearch(query=question, session=self.session or None, limit=FROM_MEMORY)
        found = await self.archive.told(call, wanted, self.vectors)
        return [replace(first, more=tuple(rest)) for first, *rest in found]


@dataclass(frozen=True, slots=True)
class Bounded:
    """A retriever with its time and its size."""

    retriever: Retriever
    timeout_seconds: float
    limit: int

    async def passages(self, call: Call, question: str) -> Sequence[Passage]:
        try:
            async with asyncio.timeout(self.timeout_seconds):
                found = await self.retriever.passages(call, question)
        except TimeoutError:
            raise Unanswered(f"did not answer in {self.timeout_seconds:g} s") from None
        return [Passage(each.text[:MOST_CHARACTERS], each.agent, each.trust) for each in found[: self.limit]]
