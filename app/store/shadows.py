"""What a model answered beside another one: the values, and the seam to where they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_ROWS = 100_000
KEPT_SECONDS = 30 * 86_400
"""The newest of these are kept, for so long."""
MOST_CHARACTERS = 65_536
"""Of a text that is kept."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of two answers. Seconds are counted from when the upstream had the request; `first_seconds` is of streams.

    What is not known is None: the price, the text where none is kept, and times of what never came.
    """

    upstream: str
    model: str
    outcome: str
    first_seconds: float | None = None
    seconds: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int | None = None
    finish: str | None = None
    characters: int = 0
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer to a client, and a shadow's answer to the same request (`at`: seconds since 1970).

    `similarity` (0 to 1) is None where an answer is missing or has no text; `same_json` and `same_calls` where there
    is no JSON, and no call of a tool.
    """

    id: str
    at: float
    alias: str
    operation: str
    own: Side
    shadow: Side
    similarity: float | None = None
    same_json: bool | None = None
    same_calls: bool | None = None


class Shadows(Protocol):
    """The comparisons in the database. Both methods raise StoreUnavailable where it does not answer."""

    async def add(self, comparisons: Sequence[Comparison]) -> None:
        """Add all of them or none; one that was added already is not added again. Old ones make room."""

    async def since(self, at: float, alias: str | None) -> Sequence[Comparison]:
        """Those of one name, or of all, from then on; without texts, the oldest first."""
