"""What a failure means, and what is done about it: the one table, which docs/reliability.md shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.errors import (
    ContentFiltered,
    ContextTooLong,
    CredentialRejected,
    Failure,
    ModelMissing,
    Unsupported,
    UpstreamBroken,
    UpstreamConflict,
    UpstreamFailure,
    UpstreamGaveUp,
    UpstreamLimited,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
    kind_of,
)

ErrorClass = Literal[
    "client",
    "content_filter",
    "context_length",
    "missing",
    "rate_limit",
    "server",
    "unreachable",
    "timeout",
    "credential",
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What to do: ask the same route again, take the next one, count it against the replica's circuit."""

    error_class: ErrorClass
    retries: bool = False
    moves_on: bool = False
    counts: bool = False


_OURS = Meaning("client")
"""Everything that has nothing to do with an upstream."""

TABLE: Mapping[type[Failure], Meaning] = {
    UpstreamRefused: _OURS,
    ContentFiltered: Meaning("content_filter"),
    ContextTooLong: Meaning("context_length", moves_on=True),
    ModelMissing: Meaning("missing", moves_on=True),
    Unsupported: Meaning("missing", moves_on=True),
    UpstreamLimited: Meaning("rate_limit", retries=True, moves_on=True),
    UpstreamConflict: Meaning("server", retries=True, moves_on=True),
    UpstreamBroken: Meaning("server", retries=True, moves_on=True, counts=True),
    UpstreamUnavailable: Meaning("unreachable", retries=True, moves_on=True, counts=True),
    UpstreamGaveUp: Meaning("timeout", retries=True, moves_on=True, counts=True),
    UpstreamTimeout: Meaning("timeout", moves_on=True, counts=True),
    CredentialRejected: Meaning("credential", moves_on=True, counts=True),
}
"""A silent route is not asked again: what did not answer once has most of the deadline already."""

MOVING: frozenset[str] = frozenset(kind_of(failure) for failure, told in TABLE.items() if told.moves_on)
"""The kinds of failure after which the next route is taken."""

FallbackClass = Literal[
    "context_length", "missing", "rate_limit", "server", "unreachable", "timeout", "credential"
]
"""The classes for which the next route is taken."""


def meaning(failure: Failure) -> Meaning:
    return TABLE.get(type(failure), _OURS)


def counts(failure: Failure) -> bool:
    """Whether a failure speaks against the replica that it came from."""
    return meaning(failure).counts and not (isinstance(failure, UpstreamFailure) and failure.blameless)
