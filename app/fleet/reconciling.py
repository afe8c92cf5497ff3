"""What is to be done at a replica next, so that it has the adapters it shall have: one step at a time. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Action: TypeAlias = Literal["load", "prove", "mix", "unload"]
"""`mix` is to see whether calls of the base are its own beside those of adapters."""

QUIET: frozenset[Action] = frozenset({"load", "mix"})
"""What is done at a replica that gets no calls meanwhile."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do with one adapter."""

    action: Action
    name: str


@dataclass(slots=True)
class Shelved:
    """What is known of a replica's adapters.

    `listed` are the names that it tells; `admitted` those of them that have answered their canary since it started; `refused`
    those that it will never take, and why. `base` is its name for the model itself; `mixed` with how many adapters it was seen how
    the base is answered beside them, `most` how many it had at once so far.
    """

    listed: frozenset[str] = frozenset()
    admitted: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    base: str = ""
    mixed: int = 0
    most: int = 0

    def admit(self, name: str) -> None:
        """It has answered its canary."""
        self.admitted.add(name)
        self.most = max(self.most, len(self.admitted))

    def heard(self, listed: Collection[str]) -> Collection[str]:
        """What the replica lists now; those that it lost: they were admitted, and it does not know them."""
        self.listed = frozenset(listed)
        lost = self.admitted - self.listed
        self.admitted -= lost
        return lost


def next_step(
    shelved: Shelved, wanted: Sequence[str], managed: Collection[str], busy: Mapping[str, object], slots: int
) -> Step | None:
    """The next step towards what is wanted, the most wanted first; None where the replica is as it shall be.

    With each slot that is filled for the first time (there are so many `slots`) it is seen anew how the base is answered.

    What is there goes last, and only names that the gateway manages: what a server was started with is its own. An adapter that
    is answering (`busy`) stays until it has ended.
    """
    for name in wanted:
        if name in shelved.admitted or name in shelved.refused:
            continue
        return Step("prove" if name in shelved.listed else "load", name)
    if shelved.mixed < min(shelved.most, slots):
        return Step("mix", "")
    for name in sorted(shelved.listed):
        if name in managed and name not in wanted and name not in busy:
            return Step("unload", name)
    return None
