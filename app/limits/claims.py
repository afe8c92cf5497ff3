"""What a call asks of its limits where it may be answered under several names. Pure."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from app.limits.counters import Counter, Demand
from app.limits.rules import Limits

Claim: TypeAlias = tuple[Limits, Sequence[int]]
"""The limits of a name, and the most that the call may use of each."""

_SUMMED = frozenset({"tokens", "usd"})
"""What each name adds to; a call is one request and one running call under however many."""


class Claims:
    """All names' demands: each counter once, with the most that one of them may use. The first name's come first."""

    def __init__(self, of_names: Mapping[str, Claim]) -> None:
        self.of_names = of_names
        most: dict[Counter, int] = {}
        for limits, amounts in of_names.values():
            for counter, amount in zip(limits.counters, amounts, strict=True):
                most[counter] = max(amount, most.get(counter, 0))
        self.demands: Sequence[Demand] = list(most.items())

    @property
    def first(self) -> str:
        """The name that the call cannot do without."""
        return next(iter(self.of_names))

    def after(self, refused: int) -> "Claims | None":
        """Those of the names that ask less of the refused demand; None where the first asks as much."""
        counter, most = self.demands[refused]
        return self._only([name for name, claim in self.of_names.items() if _of(counter, claim) < most])

    def unlimited(self) -> "Claims | None":
        """Those of the names that have no limits; None where the first has some."""
        return self._only([name for name, (limits, _) in self.of_names.items() if not limits.each])

    def used(self, spent: Mapping[str, tuple[int, int]]) -> Sequence[int]:
        """What is used of each demand, where the names that were tried have spent so many tokens and nano-dollars."""
        used = dict.fromkeys((counter for counter, _ in self.demands), 0)
        for name, amounts in spent.items():
            limits, _ = self.of_names[name]
            told = zip(limits.counters, limits.measures, limits.amounts(*amounts), strict=True)
            for counter, measure, amount in told:
                used[counter] = used[counter] + amount if measure in _SUMMED else amount
        return list(used.values())

    def _only(self, names: Sequence[str]) -> "Claims | None":
        return Claims({name: self.of_names[name] for name in names}) if self.first in names else None


def _of(counter: Counter, claim: Claim) -> int:
    """How much a name asks of it; -1 where it is none of its limits."""
    limits, amounts = claim
    return amounts[limits.counters.index(counter)] if counter in limits.counters else -1
