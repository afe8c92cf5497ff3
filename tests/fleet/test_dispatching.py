from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from app.fleet.choice import Choice, LMetric
from app.fleet.dispatching import PATIENCE_SECONDS, Dispatcher, Place, Waiting
from app.fleet.placement import Placement
from app.fleet.prefixes import NO_BLOCKS, Prefixes
from app.fleet.replica import Asked, Replica, Sent
from app.fleet.residency import Residency

LATER = PATIENCE_SECONDS + 0.1


@dataclass(slots=True)
class Floor:
    """Replicas, a dispatcher, and who was sent where, in order."""

    replicas: list[Replica]
    dispatcher: Dispatcher
    sent: list[tuple[str, Sent]] = field(default_factory=list)

    @classmethod
    def of(cls, count: int, *, slots: int = 1, most: int | None = None) -> "Floor":
        prefixes = Prefixes()
        replicas = [Replica(f"r{place}", place, Residency(slots, 9), slots, most) for place in range(count)]
        return cls(replicas, Dispatcher(LMetric(prefixes), prefixes, Placement()))

    def come(
        self,
        name: str,
        adapter: str = "",
        now: float = 0.0,
        *,
        to: Sequence[int] | None = None,
        tenant: str = "t",
    ) -> Waiting:
        def go(sent: Sent, _: Choice) -> None:
            self.sent.append((name, sent))

        chosen = self.replicas if to is None else [self.replicas[place] for place in to]
        waiting = Waiting(Asked(adapter, NO_BLOCKS), lambda: chosen, go, now, Place(tenant=tenant))
        self.dispatcher.put(waiting, now)
        return waiting

    def end(self, name: str, now: float = 0.0) -> None:
        sent = next(sent for each, sent in self.sent if each == name)
        self.dispatcher.end(sent, now)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.sent]


def test_a_call_for_which_there_is_room_goes_at_once():
    floor = Floor.of(1)
    floor.come("one", "a")
    floor.come("two", "a")
    assert floor.names == ["one", "two"]


def test_no_replica_gets_more_adapters_at_once_than_it_has_slots():
    floor = Floor.of(1)
    floor.come("one", "a")
    floor.come("two", "b")
    assert floor.names == ["one"]
    floor.end("one")
    assert floor.names == ["one", "two"]


def test_nor_more_calls_than_it_may_have():
    floor = Floor.of(1, slots=4, most=2)
    for name in ("one", "two", "three"):
        floor.come(name, name)
    assert floor.names == ["one", "two"]
    floor.end("two")
    assert floor.names == ["one", "two", "three"]


def test_who_waits_long_gets_a_slot_though_others_keep_coming():
    floor = Floor.of(1, slots=2)
    floor.come("a1", "a")
    floor.come("b1", "b")
    floor.come("b2", "b")
    floor.come("c", "c")
    floor.dispatcher.pump(LATER)
    floor.come("a2", "a", LATER)
    floor.come("b3", "b", LATER)
    assert floor.names == ["a1", "b1", "b2", "b3"], (
        "the adapter with the fewest calls makes room, the other goes on"
    )
    floor.end("a1", LATER)
    assert floor.names[-1] == "c"


def test_who_waits_long_goes_where_there_is_room():
    floor = Floor.of(2)
    floor.replicas[0].residency.use("a")
    floor.come("b", "b", to=[0])
    floor.replicas[1].told(0.9, 50)
    floor.come("a", "a")
    assert floor.names == ["b"]
    floor.dispatcher.pump(LATER)
    assert floor.sent[-1][1].replica.name == "r1"


def test_one_that_may_not_wait_goes_to_whoever_has_room_or_nowhere():
    floor = Floor.of(2, slots=9, most=1)
    floor.replicas[1].told(0.0, 99)
    floor.come("one", "a")
    waiting = floor.come("two", "a")
    assert floor.names == ["one"]
    assert floor.dispatcher.send_anywhere(waiting, 0.0)
    assert floor.sent[-1][1].replica.name == "r1"
    assert not floor.dispatcher.send_anywhere(floor.come("three", "a"), 0.0)
    assert len(floor.dispatcher) == 1


def test_one_that_leaves_is_not_sent_and_keeps_no_slot():
    floor = Floor.of(1)
    floor.come("a", "a")
    waiting = floor.come("b", "b")
    floor.dispatcher.pump(LATER)
    assert floor.replicas[0].kept_for == "b"
    floor.dispatcher.leave(waiting, LATER)
    assert floor.replicas[0].kept_for is None
    floor.end("a", LATER)
    assert floor.names == ["a"]
    assert len(floor.dispatcher) == 0


def test_tenants_take_turns():
    floor = Floor.of(1, slots=9, most=1)
    floor.come("first", "a")
    for number in range(3):
        floor.come(f"many{number}", "a", tenant="many")
    floor.come("one", "a", tenant="one")
    for name in ("first", "many0", "one"):
        floor.end(name)
    assert floor.names.index("one") == 2


def test_base_and_adapters_are_never_at_once_where_they_are_kept_apart():
    floor = Floor.of(1, slots=2)
    floor.replicas[0].apart = True
    floor.come("base", "")
    floor.come("a", "a")
    floor.come("b", "b")
    assert floor.names == ["base"]
    floor.end("base")
    assert sorted(floor.names) == ["a", "b", "base"]
    floor.come("again", "")
    assert "again" not in floor.names


def test_the_base_gets_its_turn_where_adapters_keep_coming():
    floor = Floor.of(1, slots=2)
    floor.replicas[0].apart = True
    floor.come("a1", "a")
    floor.come("base", "")
    floor.dispatcher.pump(LATER)
    floor.come("a2", "a", LATER)
    floor.end("a1", LATER)
    assert floor.names == ["a1", "base"]


def test_where_no_replica_may_answer_a_call_waits():
    floor = Floor.of(1)
    floor.come("one", "a", to=[])
    assert floor.names == []
    assert len(floor.dispatcher) == 1


steps = st.lists(
    st.tuples(st.sampled_from(["come", "end", "leave", "wait"]), st.sampled_from(["", "a", "b", "c", "d"])),
    max_size=80,
)


@dataclass(slots=True)
class Play:
    """A floor, and who waits and runs there; `look` takes note of who was sent, and that every bound holds."""

    floor: Floor
    slots: int
    apart: bool
    waiting: dict[str, Waiting] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    now: float = 0.0
    come: int = 0
    left: int = 0

    def step(self, step: str, adapter: str) -> None:
        self.now += 0.3
        if step == "come":
            self.come += 1
            self.waiting[f"{self.come}"] = self.floor.come(f"{self.come}", adapter, self.now)
        elif step == "end" and self.running:
            self.floor.end(self.running.pop(0), self.now)
        elif step == "leave" and self.waiting:
            self.left += 1
            self.floor.dispatcher.leave(self.waiting.pop(next(iter(self.waiting))), self.now)
        else:
            self.floor.dispatcher.pump(self.now)
        self.look()

    def finish(self) -> None:
        """Let all that run end, until nobody waits."""
        while self.running or self.waiting:
            assert self.running, "somebody waits, and nothing is done"
            self.now += LATER
            self.floor.end(self.running.pop(0), self.now)
            self.floor.dispatcher.pump(self.now)
            self.look()

    def look(self) -> None:
        for replica in self.floor.replicas:
            assert replica.in_flight <= 3
            assert len(replica.busy) <= self.slots
            assert not (self.apart and replica.busy and replica.base_calls)
        for name in [name for name in self.floor.names if name in self.waiting]:
            del self.waiting[name]
            self.running.append(name)
        assert len(self.floor.dispatcher) == len(self.waiting)


@given(steps, st.integers(1, 3), st.booleans(), st.integers(1, 3))
def test_whatever_happens_nobody_is_lost_and_the_bounds_hold(taken, slots, apart, count):
    floor = Floor.of(count, slots=slots, most=3)
    for replica in floor.replicas:
        replica.apart = apart
    play = Play(floor, slots, apart)
    for step, adapter in taken:
        play.step(step, adapter)
    play.finish()

    assert len(floor.sent) == play.come - play.left
    assert all(replica.kept_for is None and not replica.busy for replica in floor.replicas)
