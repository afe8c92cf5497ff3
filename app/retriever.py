"""The seam to whoever is asked what bears on a question."""

from collections.abc import Sequence
from typing import Protocol

from app.contracts import Call
from scenes.recollected import Passage


class Unanswered(Exception):
    """A source has nothing to say now; the text says why in a few words, and nothing of what was asked."""


class Retriever(Protocol):
    async def passages(self, call: Call, question: str) -> Sequence[Passage]:
        """What bears on the question (of at most 10,000 characters), the best first. Raises Unanswered."""
