"""One run: calls come, a policy sends them to simulated servers, and each server does step after step."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Literal, Protocol, TypeAlias

from app.fleet.choice import BoundedHash, Choice, LeastLoaded, LMetric, Policy, PowerOfTwo, RoundRobin
from app.fleet.dispatching import PATIENCE_SECONDS, Dispatcher, Place, Waiting
from app.fleet.placement import Placement, ranked
from app.fleet.prefixes import Prefixes
from app.fleet.replica import Asked, Costs, Replica, Sent
from app.fleet.residency import Level, Residency
from bench.fleet.engine import Engine, Machine, Outcome
from bench.fleet.rivals import CacheAware, LlmD, SessionHash
from bench.fleet.workload import Call

Name: TypeAlias = Literal[
    "ours",
    "ours everywhere",
    "round robin",
    "least loaded",
    "power of two",
    "session hash",
    "bounded hash",
    "sgl cache-aware",
    "llm-d",
]


class Gateway(Protocol):
    """What stands between calls and servers. It is told what happens; it sends calls by `submit`."""

    def come(self, call: Call, now: float) -> None: ...
    def first(self, call: Call, now: float) -> None: ...
    def done(self, call: Call, now: float) -> None: ...
    def tick(self, now: float) -> None:
        """A while has passed."""


Submit: TypeAlias = Callable[[int, Call, float], None]


class Straight:
    """Sends each call at once where a policy says, and lets the server queue it."""

    def __init__(self, policy: Policy, seats: Sequence[Replica], submit: Submit) -> None:
        self._policy = policy
        self._seats = seats
        self._submit = submit
        self._sent: dict[Call, Sent] = {}

    def come(self, call: Call, now: float) -> None:
        if isinstance(self._policy, SessionHash):
            self._policy.session = call.session
        asked = Asked(call.adapter, call.blocks)
        seat = self._policy.choose(asked, self._seats, now).replica
        self._sent[call] = seat.begin(asked, 0, now)
        self._submit(seat.place, call, now)

    def first(self, call: Call, now: float) -> None:
        sent = self._sent[call]
        sent.replica.answered(sent, now)

    def done(self, call: Call, now: float) -> None:
        sent = self._sent.pop(call)
        sent.replica.end(sent, now)

    def tick(self, now: float) -> None:
        """Nothing waits here."""


GROWTH_SECONDS = 5.0
"""How long the reconciler takes to give a server another adapter: it looks, lets the server fall quiet, loads, and asks."""


class Ours:
    """The gateway's own: placement, choice and waiting."""

    def __init__(
        self, seats: Sequence[Replica], engines: Sequence[Engine], submit: Submit, placement: Placement | None
    ) -> None:
        """Without a placement adapters are taken to be on all servers."""
        prefixes = Prefixes()
        self._placement = placement or Placement()
        self._placed = placement is not None
        self._dispatcher = Dispatcher(LMetric(prefixes), prefixes, self._placement)
        self._seats = {seat.name: seat for seat in seats}
        self._engines = engines
        self._submit = submit
        self._sent: dict[Call, Sent] = {}
        self._orders: dict[str, list[Replica]] = {}
        self._has: dict[str, int] = {}
        self._growing: dict[str, float] = {}
        self._now = 0.0

    def come(self, call: Call, now: float) -> None:
        def go(sent: Sent, _: Choice) -> None:
            self._sent[call] = sent
            self._submit(sent.replica.place, call, self._now)

        self._now = now
        candidates, homes = self._candidates(call.adapter, now)
        asked = Asked(call.adapter, call.blocks, homes)
        place = Place(tenant=f"{call.session % 50}")
        self._dispatcher.put(Waiting(asked, lambda: candidates, go, now, place), now)

    def _candidates(self, adapter: str, now: float) -> tuple[Sequence[Replica], int | None]:
        order = self._orders.get(adapter)
        if order is None:
            order = self._orders[adapter] = [self._seats[name] for name in ranked(adapter, self._seats)]
        if not self._placed:
            return order, None
        homes = self._placement.homes(adapter, now)
        self._grow(adapter, min(len(order), homes + self._placement.least - 1), now)
        return order[: self._has[adapter]], homes

    def _grow(self, adapter: str, wanted: int, now: float) -> None:
        """Give it to one more server, which takes its time; those that it is on from the beginning had it before."""
        has = self._has.setdefault(adapter, self._placement.least)
        if wanted <= has:
            self._growing.pop(adapter, None)
        elif now >= self._growing.setdefault(adapter, now + GROWTH_SECONDS):
            self._engines[self._orders[adapter][has].place].preload(adapter)
            self._has[adapter] = has + 1
            del self._growing[adapter]

    def first(self, call: Call, now: float) -> None:
        self._dispatcher.answered(self._sent[call], now)

    def done(self, call: Call, now: float) -> None:
        self._now = now
        self._dispatcher.end(self._sent.pop(call), now)

    def tick(self, now: float) -> None:
        self._now = now
        self._dispatcher.pump(now)


@dataclass(slots=True)
class Run:
    """What came of it: the calls, and the servers; `loads` are those from disk and from memory since `since`."""

    calls: Sequence[Call]
    engines: Sequence[Engine]
    loads_before: Mapping[Level, int] = field(default_factory=dict)

    def loads(self, level: Level) -> int:
        return sum(engine.loads[level] for engine in self.engines) - self.loads_before.get(level, 0)


def gateway_of(name: Name, engines: Sequence[Engine], machine: Machine, submit: Submit) -> Gateway:
    seats = [
        Replica(
            f"replica-{place}",
            place,
            Residency(machine.max_loras, machine.max_cpu_loras),
            machine.max_loras,
            machine.max_num_seqs,
            Costs(machine.prefill_tokens_per_second, machine.disk, machine.memory),
        )
        for place in range(len(engines))
    ]
    policies: Mapping[Name, Callable[[], Policy]] = {
        "round robin": RoundRobin,
        "least loaded": LeastLoaded,
        "power of two": lambda: PowerOfTwo(random.Random(1)),  # noqa: S311 - chance, not a secret
        "session hash": SessionHash,
        "bounded hash": BoundedHash,
        "sgl cache-aware": CacheAware,
        "llm-d": lambda: LlmD(engines, machine.max_loras),
    }
    if name == "ours":
        return Ours(seats, engines, submit, Placement())
    if name == "ours everywhere":
        return Ours(seats, engines, submit, None)
    return Straight(policies[name](), seats, submit)


@dataclass(frozen=True, slots=True)
class Setting:
    """So many servers; what happens before `warm` seconds is not counted, and at `until` it is over."""

    servers: int = 8
    machine: Machine = field(default_factory=Machine)
    warm: float = 100.0
    until: float = 460.0


def run(name: Name, calls: Sequence[Call], setting: Setting) -> Run:
    """Let these calls come until the last of them has ended, at the latest until `setting.until`."""
    return _Simulation(name, calls, setting).run()


class _Simulation:
    """Events in the order of their time: what each does may put others behind it."""

    def __init__(self, name: Name, calls: Sequence[Call], setting: Setting) -> None:
        self._setting = setting
        self._engines = [Engine(setting.machine) for _ in range(setting.servers)]
        self._gateway = gateway_of(name, self._engines, setting.machine, self._submit)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._ran = Run(calls, self._engines)
        for call in calls:
            self._later(call.at, partial(self._gateway.come, call))
        self._later(0.0, self._tick)
        self._later(setting.warm, self._note)

    def run(self) -> Run:
        while self._events and self._events[0][0] <= self._setting.until:
            now, _, what = heappop(self._events)
            what(now)
        return self._ran

    def _later(self, at: float, what: Callable[[float], None]) -> None:
        heappush(self._events, (at, next(self._order), what))

    def _submit(self, place: int, call: Call, now: float) -> None:
        call.sent = now
        engine = self._engines[place]
        engine.waiting.append(call)
        if not engine.busy:
            engine.busy = True
            self._later(now, partial(self._step, place))

    def _step(self, place: int, now: float) -> None:
        begun = self._engines[place].begin()
        self._engines[place].busy = begun is not None
        if begun is not None:
            seconds, outcome = begun
            self._later(now + seconds, partial(self._over, place, outcome))

    def _over(self, place: int, outcome: Outcome, now: float) -> None:
        for call in outcome.first:
            call.first = now
            self._gateway.first(call, now)
        for call in outcome.done:
            call.end = now
            self._gateway.done(call, now)
        self._step(place, now)

    def _tick(self, now: float) -> None:
        self._gateway.tick(now)
        self._later(now + PATIENCE_SECONDS / 2, self._tick)

    def _note(self, _: float) -> None:
        """From here on loads are counted."""
        self._ran.loads_before = {level: self._ran.loads(level) for level in ("disk", "cpu")}
