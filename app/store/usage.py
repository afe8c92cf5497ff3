"""What was used, in sums of an hour: the values, and the seam to where they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple, Protocol, TypeAlias, get_args

Outcome: TypeAlias = Literal["ok", "left", "failed"]
"""How a call ended: well, without its client, or with an error."""

Column: TypeAlias = Literal[
    "key", "model", "upstream", "upstream_model", "operation", "outcome", "day", "hour"
]
"""What sums can be told apart by."""
COLUMNS: tuple[Column, ...] = get_args(Column)

HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
MAX_ROWS = 10_000
MOST = 2**63 - 1
"""The largest sum, as 64 bits hold it: what would be more stays there."""


class Line(NamedTuple):
    """What is summed up apart; `hour` is its begin (UTC), in seconds since 1970."""

    hour: int
    caller: str
    model: str
    upstream: str
    upstream_model: str
    operation: str
    outcome: Outcome


@dataclass(slots=True)
class Sums:
    """Cached tokens are part of input, reasoning part of output; both of estimated and unpriced where they are so."""

    requests: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated_tokens: int = 0
    unpriced_tokens: int = 0
    nano_usd: int = 0


SUMS = tuple(each.name for each in fields(Sums))

Batch: TypeAlias = Sequence[tuple[Line, Sums]]


@dataclass(frozen=True, slots=True)
class Query:
    """The sums of some hours (from the begin of one to the begin of another), told apart by some columns;
    of one caller, or of all where it is None.
    """

    start: int
    end: int
    by: tuple[Column, ...]
    caller: str | None = None


Row: TypeAlias = tuple[tuple[str | int, ...], Sums]
"""The values of the columns (days and hours as their begin), and what was used."""


class Usage(Protocol):
    """The usage in the database. Both methods raise StoreUnavailable where it does not answer."""

    async def add(self, writer: str, sequence: int, batch: Batch) -> None:
        """Add all of it or nothing; what this writer has added under this number already is not added again. A sum
        that would be above MOST is MOST.
        """

    async def report(self, query: Query) -> Sequence[Row]:
        """In the order of the columns; at most one row more than MAX_ROWS."""
