"""The fair queue: shares, order, starvation, and that nothing stays behind."""

import math
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.contracts import Priority
from app.queueing import SHARES, FairQueue

PRIORITIES = st.sampled_from(list(SHARES))
KEYS = st.sampled_from("abcd")
WEIGHTS = {"a": 1, "b": 1, "c": 3, "d": 10}
PLACES = st.lists(st.tuples(PRIORITIES, KEYS), max_size=60)


def filled(places) -> FairQueue[Any]:
    queue: FairQueue[Any] = FairQueue()
    for number, (priority, key) in enumerate(places):
        queue.put((priority, key, number), priority, key, WEIGHTS[key])
    return queue


def pop(queue: FairQueue[Any]) -> Any:
    first = queue.first()
    assert queue.go(first)
    return first.item


def drained(queue: FairQueue[Any]) -> list[Any]:
    return [pop(queue) for _ in range(len(queue))]


def bound(priority: Priority, key: str, before: int, classes, keys) -> float:
    """How many may go before it at most, with so many of its own key before it, beside these classes and keys."""
    inside = before + sum((before + 1) * WEIGHTS[other] / WEIGHTS[key] + 1 for other in keys - {key})
    return inside + sum((inside + 1) * SHARES[other] / SHARES[priority] + 1 for other in classes - {priority})


def test_calls_of_one_key_go_in_the_order_of_their_coming():
    assert [number for *_, number in drained(filled([("normal", "a")] * 9))] == list(range(9))


def test_an_empty_queue_has_no_next():
    queue: FairQueue[Any] = FairQueue()

    with pytest.raises(IndexError):
        queue.first()
    assert not queue


@given(PLACES)
def test_everyone_goes_once_and_each_key_in_its_order(places):
    went = drained(filled(places))

    assert sorted(number for *_, number in went) == list(range(len(places)))
    own = defaultdict(list)
    for priority, key, number in went:
        own[priority, key].append(number)
    assert all(numbers == sorted(numbers) for numbers in own.values())


@given(PLACES)
def test_nobody_waits_for_more_others_than_its_bound(places):
    before: Counter = Counter()
    turns = {number: turn for turn, (*_, number) in enumerate(drained(filled(places)))}
    for number, (priority, key) in enumerate(places):
        most = bound(priority, key, before[priority, key], set(SHARES), set(WEIGHTS))
        assert turns[number] <= most + 1e-6
        before[priority, key] += 1


@pytest.mark.parametrize("priority", SHARES)
@pytest.mark.parametrize("key", WEIGHTS)
@given(crowd=st.lists(st.tuples(PRIORITIES, KEYS), min_size=1, max_size=5))
@settings(max_examples=30)
def test_nobody_starves_however_many_come_after_it(priority, key, crowd):
    queue = filled(crowd)
    mine = queue.put("mine", priority, key, WEIGHTS[key])
    before = sum(place == (priority, key) for place in crowd)
    most = math.ceil(bound(priority, key, before, set(SHARES), set(WEIGHTS)))
    for turn in range(most + 1):
        for place in crowd:
            queue.put(("late", turn), place[0], place[1], WEIGHTS[place[1]])
        if pop(queue) == "mine":
            break

    assert not queue.remove(mine)


def test_classes_share_by_their_weights():
    places = [(priority, "a") for priority in SHARES for _ in range(2000)]

    went = drained(filled(places))[:1110]

    shares = Counter(priority for priority, *_ in went)
    assert {name: abs(shares[name] - 10 * share) <= 2 for name, share in SHARES.items()} == dict.fromkeys(
        SHARES, True
    )


@given(st.lists(st.integers(1, 20), min_size=2, max_size=6))
def test_the_shares_of_keys_come_to_their_weights(weights):
    queue: FairQueue[Any] = FairQueue()
    rounds = 20
    for name, weight in enumerate(weights):
        for _ in range(weight * rounds):
            queue.put(name, "normal", str(name), weight)

    went = Counter(pop(queue) for _ in range(sum(weights) * (rounds - 1)))

    for name, weight in enumerate(weights):
        assert abs(went[name] - weight * (rounds - 1)) <= len(weights) + weight / min(weights)


def test_a_key_that_asks_one_call_at_a_time_gets_its_share_and_no_more():
    queue: FairQueue[Any] = FairQueue()
    for _ in range(300):
        queue.put("many", "normal", "many")
    queue.put("single", "normal", "single")

    went: Counter = Counter()
    for _ in range(200):
        name = pop(queue)
        went[name] += 1
        if name == "single":
            queue.put("single", "normal", "single")

    assert abs(went["single"] - went["many"]) <= 1


def test_nobody_saves_up_turns_while_away():
    queue: FairQueue[Any] = FairQueue()
    for _ in range(100):
        queue.put("here", "normal", "here")
    for _ in range(50):
        pop(queue)
    for _ in range(50):
        queue.put("late", "normal", "late")

    went = Counter(pop(queue) for _ in range(20))

    assert abs(went["late"] - went["here"]) <= 1


@given(PLACES, st.data())
def test_who_leaves_changes_nothing_for_the_others(places, data):
    leaving = data.draw(st.sets(st.integers(0, len(places) - 1) if places else st.nothing()))
    queue: FairQueue[Any] = FairQueue()
    tickets = [
        queue.put(number, place[0], place[1], WEIGHTS[place[1]]) for number, place in enumerate(places)
    ]

    for number in leaving:
        assert queue.remove(tickets[number])
        assert not queue.remove(tickets[number])

    assert sorted(drained(queue)) == sorted(set(range(len(places))) - leaving)


@given(PLACES, PRIORITIES, KEYS)
def test_the_guess_of_how_many_go_before_is_near(places, priority, key):
    queue = filled(places)
    guess = queue.ahead(priority, key, WEIGHTS[key])
    queue.put("mine", priority, key, WEIGHTS[key])

    turn = drained(queue).index("mine")

    assert 0 <= guess <= len(places)
    inside = sum(place[0] == priority for place in places)
    slack = len(WEIGHTS) + max(WEIGHTS.values()) / WEIGHTS[key] + 2
    others = sum(SHARES[other] / SHARES[priority] for other in SHARES if other != priority)
    assert abs(turn - guess) <= min(slack, inside) * (1 + others) + 3


def test_a_call_of_a_higher_class_makes_the_last_of_the_lowest_leave():
    queue: FairQueue[Any] = FairQueue()
    queue.put("n", "normal", "a")
    queue.put("b1", "batch", "a")
    queue.put("b2", "batch", "b")

    assert queue.displaced("batch") is None
    last = queue.displaced("interactive")
    assert last is not None
    assert last.item == "b2"
    queue.remove(last)
    left = queue.displaced("normal")
    assert left is not None
    assert left.item == "b1"


class Waiting(RuleBasedStateMachine):
    """Beside a plain list: the same are in it, and what is kept is bounded by how many wait."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: FairQueue[Any] = FairQueue()
        self.tickets: list[Any] = []

    @rule(priority=PRIORITIES, key=st.integers(0, 50))
    def put(self, priority, key):
        self.tickets.append(self.queue.put(object(), priority, str(key), 1 + key % 3))

    @precondition(lambda self: self.tickets)
    @rule()
    def pop(self):
        first = self.queue.first()
        assert self.queue.go(first)
        assert not self.queue.go(first)
        self.tickets.remove(first)

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def go_out_of_turn(self, data):
        ticket = data.draw(st.sampled_from(self.tickets))
        assert self.queue.go(ticket)
        self.tickets.remove(ticket)

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def leave(self, data):
        ticket = data.draw(st.sampled_from(self.tickets))
        assert self.queue.remove(ticket)
        self.tickets.remove(ticket)

    @rule(priority=PRIORITIES, key=st.integers(0, 50))
    def come_and_go(self, priority, key):
        for _ in range(20):
            self.queue.remove(self.queue.put(object(), priority, str(key)))

    @invariant()
    def same(self):
        assert len(self.queue) == len(self.tickets)
        assert sum(self.queue.waiting(priority) for priority in SHARES) == len(self.tickets)
        for chosen in self.queue._classes.values():
            turns = chosen.turns
            assert len(turns._heap) <= 2 * len(chosen.lines) + 9
            assert set(turns._flows) == set(chosen.lines)
            assert turns.weight == pytest.approx(sum(flow.weight for flow in turns._flows.values()))


TestWaiting = Waiting.TestCase
