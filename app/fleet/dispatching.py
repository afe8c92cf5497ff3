"""Calls on their way to replicas: each goes where the policy says, or waits until there is room for it.

vLLM lets a call wait whose adapter finds no slot, and answers others meanwhile, so that one adapter's calls can keep another's
waiting for good. Here no replica is ever sent more adapters at once than it has slots; who waits goes in fair order, by adapter and
tenant; and for one that has waited long a slot is kept free, so that it is the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.contracts import Priority
from app.fleet.choice import Choice, Policy
from app.fleet.placement import Placement
from app.fleet.prefixes import Prefixes
from app.fleet.replica import Asked, Replica, Sent
from app.queueing import FairQueue, Ticket

PATIENCE_SECONDS = 1.0
"""How long a call waits for the replica that is best for it; then for any that has room, and a slot is kept for it."""

MOST_LOOKED_AT = 64
"""Adapters that are looked at when room was made."""


@dataclass(frozen=True, slots=True)
class Place:
    """Its place among those that wait."""

    priority: Priority = "normal"
    tenant: str = ""
    weight: float = 1.0


@dataclass(slots=True, eq=False)
class Waiting:
    """A call that is to be sent. `candidates` are the replicas that may answer it now; `go` is told where it was sent, and why there."""

    asked: Asked
    candidates: Callable[[], Sequence[Replica]]
    go: Callable[[Sent, Choice], None]
    since: float
    place: Place = Place()


class Dispatcher:
    """One fleet's calls."""

    def __init__(self, policy: Policy, prefixes: Prefixes, placement: Placement) -> None:
        self._policy = policy
        self._prefixes = prefixes
        self._placement = placement
        self._queue: FairQueue[Waiting] = FairQueue()
        self._tickets: dict[Waiting, Ticket[Waiting]] = {}
        self._kept: dict[str, Replica] = {}
        """By adapter, where the next free slot is kept for it."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    def put(self, waiting: Waiting, now: float) -> bool:
        """Send it, if it may go now, and tell it so; else it waits. Whether it was sent."""
        adapter, place = waiting.asked.adapter, waiting.place
        if adapter:
            self._placement.begin(adapter, now)
        if self._try(waiting, now, anywhere=False):
            return True
        line = f"{place.tenant}\0{adapter}"
        self._tickets[waiting] = self._queue.put(waiting, place.priority, line, place.weight)
        return False

    def send_anywhere(self, waiting: Waiting, now: float) -> bool:
        """One that waits and may not wait any more: send it to any replica that has room. Whether there was one."""
        ticket = self._tickets[waiting]
        candidates = [each for each in waiting.candidates() if each.has_room(waiting.asked.adapter)]
        if not candidates:
            return False
        self._queue.go(ticket)
        del self._tickets[waiting]
        self._send(waiting, self._policy.choose(waiting.asked, candidates, now), now)
        return True

    def leave(self, waiting: Waiting, now: float) -> None:
        """It waits no more."""
        ticket = self._tickets.pop(waiting, None)
        if ticket is None:
            return
        self._queue.remove(ticket)
        self._let_go(waiting.asked.adapter)
        if waiting.asked.adapter:
            self._placement.end(waiting.asked.adapter, now)

    def answered(self, sent: Sent, now: float) -> None:
        """A call's first content is here."""
        sent.replica.answered(sent, now)

    def end(self, sent: Sent, now: float) -> None:
        """A call is over; others may have room now."""
        sent.replica.end(sent, now)
        if sent.adapter:
            self._placement.end(sent.adapter, now)
        self.pump(now)

    def pump(self, now: float) -> None:
        """Send those that wait and may go now: first to the replicas that are best for them, then who has waited long to any."""
        for anywhere in (False, True):
            if self._queue:
                self._pass(now, anywhere=anywhere)

    def _pass(self, now: float, *, anywhere: bool) -> None:
        """Go through the lines in the order of their turns; an adapter that finds no room is asked no more."""
        stuck: set[str] = set()
        moved = True
        while moved and len(stuck) < MOST_LOOKED_AT:
            moved = False
            for ticket in list(self._queue.in_turn()):
                waiting = ticket.item
                adapter = waiting.asked.adapter
                if adapter in stuck:
                    continue
                if self._try(waiting, now, anywhere=anywhere):
                    self._queue.go(ticket)
                    del self._tickets[waiting]
                    moved = True
                else:
                    stuck.add(adapter)
                    if len(stuck) >= MOST_LOOKED_AT:
                        break

    def _try(self, waiting: Waiting, now: float, *, anywhere: bool) -> bool:
        """Send it to the best replica, if there is room; or, who has waited long, to the best that has room. Whether it went."""
        if anywhere and now - waiting.since < PATIENCE_SECONDS:
            return False
        candidates = waiting.candidates()
        asked = waiting.asked
        if anywhere:
            candidates = self._roomy(asked, candidates, now)
        if not candidates:
            return False
        choice = self._policy.choose(asked, candidates, now)
        if not choice.replica.has_room(asked.adapter):
            return False
        self._send(waiting, choice, now)
        return True

    def _roomy(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Sequence[Replica]:
        """Those that have room; where none has, the next free slot of one is kept."""
        roomy = [replica for replica in candidates if replica.has_room(asked.adapter)]
        if not roomy and asked.adapter not in self._kept:
            free = [replica for replica in candidates if replica.kept_for is None]
            if free:
                soonest = min(free, key=lambda replica: replica.slot_seconds(now))
                soonest.keep_slot(asked.adapter)
                self._kept[asked.adapter] = soonest
        return roomy

    def _send(self, waiting: Waiting, choice: Choice, now: float) -> None:
        asked = waiting.asked
        sent = choice.replica.begin(asked, choice.cached, now)
        if asked.blocks.hashes:
            self._prefixes.note(choice.replica.place, asked.blocks)
        self._let_go(asked.adapter)
        waiting.go(sent, choice)

    def _let_go(self, adapter: str) -> None:
        """Nobody needs to keep a slot for it: it has one, or wants none. Who still waits asks again."""
        replica = self._kept.pop(adapter, None)
        if replica is not None:
            replica.let_go()
