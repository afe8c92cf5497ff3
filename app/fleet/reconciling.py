"""What is to be done at a replica next, so that it has the adapters it shall have: one step at a time. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Action: TypeAlias = Literal["load", "prove", "unload"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do with one adapter."""

    action: Action
    name: str


@dataclass(slots=True)
class Shelved:
    """What is known of a replica's adapters.

    `listed` are the names that it tells; `admitted` those of them that have answered their canary since it started; `refused`
    those that it will never take, and why; `managed` those that were loaded for the gateway, so that it may take them away.
    """

    listed: frozenset[str] = frozenset()
    admitted: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    def heard(self, listed: Collection[str]) -> Collection[str]:
        """What the replica lists now; those that it lost: they were admitted, and it does not know them."""
        self.listed = frozenset(listed)
        lost = self.admitted - self.listed
        self.admitted -= lost
        return lost


def next_step(
    shelved: Shelved, wanted: Sequence[str], managed: Collection[str], busy: Mapping[str, object]
) -> Step | None:
    """The next step towards what is wanted, the most wanted first; None where the replica is as it shall be.

    What is there goes last, and only names that the gateway manages: what a server was started with is its own. An adapter that
    is answering (`busy`) stays until it has ended.
    """
    for name in wanted:
        if name in shelved.admitted or name in shelved.refused:
            continue
        return Step("prove" if name in shelved.listed else "load", name)
    for name in sorted(shelved.listed):
        if name in managed and name not in wanted and name not in busy:
            return Step("unload", name)
    return None
