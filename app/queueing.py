"""Who goes next where calls wait: a fair queue. Pure; every operation takes O(log n).

Two levels, one rule. The classes interactive, normal and batch share by `SHARES`; inside a class the keys share by their
weights; a key's own calls go in the order in which they came. The rule is self-clocked fair queueing (Golestani, 1994): a
turn takes 1 / weight of virtual time, the turn that ends first goes first, its end is the time then, and who comes anew
begins at that time. So nobody saves up turns while away, nor gets more of them by asking again and again.

Nobody starves: before one's turn each other gets at most its weight over this one's, and one more.
"""

import itertools
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from app.contracts import Priority

SHARES: dict[Priority, int] = {"interactive": 100, "normal": 10, "batch": 1}
"""Turns of each class in 111, where all of them wait; highest first."""

ItemT = TypeVar("ItemT")


@dataclass(eq=False, slots=True)
class _Flow:
    """One that waits for its turn: when that ends, in virtual time; `version` tells its entry in the heap from old ones."""

    weight: float
    end: float
    version: int


class _Turns:
    """Who of several is next, by name."""

    def __init__(self) -> None:
        self._flows: dict[str, _Flow] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._now = 0.0
        self._versions = itertools.count()
        self.weight = 0.0
        """Of all that wait."""

    def __contains__(self, name: str) -> bool:
        return name in self._flows

    def enter(self, name: str, weight: float) -> None:
        """It wants turns from here on, until it leaves."""
        if name not in self._flows:
            self.weight += weight
            self._push(name, weight, self._now)

    def leave(self, name: str) -> None:
        """It wants no turn any more."""
        self.weight -= self._flows.pop(name).weight
        if not self._flows:  # nobody waits, so nobody is owed anything
            self._heap.clear()
            self._now = self.weight = 0.0
        self._tidy()

    def next(self) -> str:
        """Whose turn it is."""
        while not self._is_current(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][2]

    def order(self) -> list[str]:
        """Who waits, by whose turn ends first."""
        return sorted(self._flows, key=lambda name: (self._flows[name].end, self._flows[name].version))

    def take(self, name: str) -> None:
        """Use its turn, which may be the next or not."""
        flow = self._flows[name]
        self._now = max(self._now, flow.end)
        self._push(name, flow.weight, flow.end)
        self._tidy()

    def weight_of(self, name: str, otherwise: float) -> float:
        """Of one that waits, else what it would have."""
        flow = self._flows.get(name)
        return otherwise if flow is None else flow.weight

    def _push(self, name: str, weight: float, begin: float) -> None:
        flow = self._flows[name] = _Flow(weight, begin + 1 / weight, next(self._versions))
        heappush(self._heap, (flow.end, flow.version, name))

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._flows) + 8:
            self._heap = [entry for entry in self._heap if self._is_current(entry)]
            heapify(self._heap)

    def _is_current(self, entry: tuple[float, int, str]) -> bool:
        flow = self._flows.get(entry[2])
        return flow is not None and flow.version == entry[1]


@dataclass(eq=False, slots=True)
class Ticket(Generic[ItemT]):
    """A place in the queue."""

    item: ItemT
    priority: Priority
    caller: str


@dataclass(eq=False, slots=True)
class _Class(Generic[ItemT]):
    """Those of one priority: in the order of their coming, and by key."""

    turns: _Turns = field(default_factory=_Turns)
    order: OrderedDict[Ticket[ItemT], None] = field(default_factory=OrderedDict)
    lines: dict[str, OrderedDict[Ticket[ItemT], None]] = field(default_factory=dict)


class FairQueue(Generic[ItemT]):
    """Calls that wait."""

    def __init__(self) -> None:
        self._turns = _Turns()
        self._classes: Mapping[Priority, _Class[ItemT]] = {priority: _Class() for priority in SHARES}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def waiting(self, priority: Priority) -> int:
        return len(self._classes[priority].order)

    def __iter__(self) -> Iterator[Ticket[ItemT]]:
        """All who wait, in no order that matters."""
        return itertools.chain.from_iterable(each.order for each in self._classes.values())

    def put(self, item: ItemT, priority: Priority, caller: str, weight: float = 1.0) -> Ticket[ItemT]:
        """Wait; the ticket is for `remove`."""
        ticket = Ticket(item, priority, caller)
        chosen = self._classes[priority]
        chosen.lines.setdefault(caller, OrderedDict())[ticket] = None
        chosen.order[ticket] = None
        chosen.turns.enter(caller, weight)
        self._turns.enter(priority, SHARES[priority])
        self._length += 1
        return ticket

    def first(self) -> Ticket[ItemT]:
        """Who goes next. Raises IndexError where nobody waits."""
        chosen = self._classes[self._next()]
        return next(iter(chosen.lines[chosen.turns.next()]))

    def in_turn(self) -> Iterator[Ticket[ItemT]]:
        """The first of each line, in the order of their turns: for whoever cannot serve the very first, but may another."""
        for priority in self._turns.order():
            chosen = next(each for name, each in self._classes.items() if name == priority)
            for caller in chosen.turns.order():
                yield next(iter(chosen.lines[caller]))

    def go(self, ticket: Ticket[ItemT]) -> bool:
        """This one goes, and its turn is used; False for one that does not wait any more."""
        chosen = self._classes[ticket.priority]
        if ticket in chosen.order:
            chosen.turns.take(ticket.caller)
            self._turns.take(ticket.priority)
        return self.remove(ticket)

    def remove(self, ticket: Ticket[ItemT]) -> bool:
        """Stop waiting; False for one that does not wait any more."""
        chosen = self._classes[ticket.priority]
        if ticket not in chosen.order:
            return False
        del chosen.order[ticket]
        line = chosen.lines[ticket.caller]
        del line[ticket]
        self._length -= 1
        if not line:
            del chosen.lines[ticket.caller]
            chosen.turns.leave(ticket.caller)
            if not chosen.order:
                self._turns.leave(ticket.priority)
        return True

    def displaced(self, priority: Priority) -> Ticket[ItemT] | None:
        """Who makes room for a call of this priority: the last that came of the lowest class below it."""
        for below in reversed(SHARES):
            if below == priority:
                return None
            if self._classes[below].order:
                return next(reversed(self._classes[below].order))
        return None

    def ahead(self, priority: Priority, caller: str, weight: float = 1.0) -> float:
        """About how many go before one that came now, if nobody came after it; no more than wait."""
        chosen = self._classes[priority]
        own = len(chosen.lines.get(caller, ()))
        weight = chosen.turns.weight_of(caller, weight)
        others = chosen.turns.weight - (weight if caller in chosen.turns else 0.0)
        inside = min(float(len(chosen.order)), own + (own + 1) * others / weight)
        before = inside
        for other, share in SHARES.items():
            if other != priority:
                turns = (inside + 1) * share / SHARES[priority]
                before += min(len(self._classes[other].order), math.ceil(turns))
        return before

    def _next(self) -> Priority:
        if not self._length:
            raise IndexError("nobody waits")
        name = self._turns.next()
        return next(priority for priority in SHARES if priority == name)
