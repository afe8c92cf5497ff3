import copy
import math
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.breaker import MISSES, MOST_GROWTH, Breaker, Tolerance
from app.window import BUCKETS

TOLERANCE = Tolerance(error_rate=0.5, window_seconds=30, minimum=4, open_seconds=15, probes=2)


def failing(breaker: Breaker, now: float, times: int = 4) -> None:
    for ticket in [breaker.admit(now) for _ in range(times)]:
        breaker.fail(ticket, now)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(TOLERANCE)
    failing(breaker, now)
    assert breaker.circuit(now).state == "open"
    return breaker


def answering(breaker: Breaker, now: float, times: int = 1) -> None:
    for _ in range(times):
        breaker.succeed(breaker.admit(now), now)


def test_a_circuit_opens_at_the_error_rate_and_not_below_it():
    breaker = Breaker(TOLERANCE)

    answering(breaker, 0, times=5)
    failing(breaker, 0, times=4)
    assert breaker.circuit(0).state == "closed"

    failing(breaker, 0, times=1)
    assert breaker.circuit(0).state == "open"


def test_with_fewer_outcomes_than_the_minimum_nothing_is_concluded():
    breaker = Breaker(TOLERANCE)

    failing(breaker, 0, times=3)

    assert breaker.circuit(0).state == "closed"


@pytest.mark.parametrize("later", range(30, 100, 3))
def test_failures_that_are_older_than_the_window_are_forgotten(later):
    breaker = Breaker(TOLERANCE)

    failing(breaker, 0, times=3)
    failing(breaker, later, times=3)

    assert breaker.circuit(later).state == "closed"


def test_an_open_circuit_admits_nothing_until_its_time_is_over():
    breaker = opened()

    assert not breaker.admit(14.9)
    assert breaker.seconds_left(5) == 10
    assert breaker.admit(15)


def test_half_open_admits_one_probe_at_a_time():
    breaker = opened()

    probe = breaker.admit(15)
    assert not breaker.admit(15)
    breaker.release(probe)
    assert breaker.admit(15)


def test_a_probe_that_is_never_heard_of_again_loses_its_place():
    breaker = opened()

    lost = breaker.admit(15)
    assert not breaker.admit(29.9)
    probe = breaker.admit(30)
    breaker.release(lost)

    assert probe
    assert not breaker.admit(30)


def test_good_probes_in_a_row_close_it():
    breaker = opened()

    answering(breaker, 15)
    assert breaker.circuit(15).state == "half-open"
    answering(breaker, 15)

    assert breaker.circuit(15).state == "closed"
    failing(breaker, 15, times=3)
    assert breaker.circuit(15).state == "closed"  # what was before is forgotten


def test_each_bad_probe_doubles_the_time_up_to_a_bound_and_closing_takes_it_back():
    breaker = opened()
    now = 0.0

    seconds = []
    for _ in range(5):
        seconds.append(breaker.seconds_left(now))
        now += breaker.seconds_left(now)
        failing(breaker, now, times=1)
    assert seconds == [15, 30, 30, 30, 30]

    now += breaker.seconds_left(now)
    answering(breaker, now, times=2)
    failing(breaker, now)
    assert breaker.seconds_left(now) == 15


def test_outcomes_from_before_the_change_are_void():
    breaker = Breaker(TOLERANCE)
    slow = [breaker.admit(0) for _ in range(9)]
    failing(breaker, 0)

    breaker.succeed(slow.pop(), 15)
    assert breaker.circuit(14).state == "open"
    answering(breaker, 15)
    for ticket in slow:
        breaker.fail(ticket, 15)
    assert breaker.circuit(15).state == "half-open"


def test_an_answer_that_breaks_turns_its_success_into_a_failure():
    breaker = Breaker(Tolerance(error_rate=1, minimum=4))

    for ticket in [breaker.admit(0) for _ in range(4)]:
        breaker.succeed(ticket, 0)
        breaker.fall(ticket, 0)

    assert breaker.circuit(0).state == "open"


def test_answers_that_break_long_after_they_began_count_like_calls():
    breaker = Breaker(TOLERANCE)

    tickets = [breaker.admit(0) for _ in range(4)]
    for ticket in tickets:
        breaker.succeed(ticket, 0)
    for ticket in tickets:
        breaker.fall(ticket, 600)

    assert breaker.circuit(600).state == "open"


def test_a_probe_whose_answer_breaks_opens_it_again():
    breaker = opened()

    probe = breaker.admit(15)
    breaker.succeed(probe, 15)
    breaker.fall(probe, 16)

    assert breaker.circuit(16).state == "open"


def test_two_health_checks_that_fail_in_a_row_open_it_and_one_that_is_answered_lets_it_try():
    breaker = Breaker(TOLERANCE)

    breaker.miss(0, 30)
    breaker.find()
    breaker.miss(10, 30)
    assert (breaker.circuit(10).state, breaker.doubted) == ("closed", True)
    breaker.miss(20, 30)
    assert breaker.circuit(20).state == "open"
    breaker.find()
    assert (breaker.circuit(20).state, breaker.doubted) == ("half-open", False)


def test_a_call_that_is_answered_is_worth_a_health_check():
    breaker = Breaker(TOLERANCE)

    for now in range(0, 100, 10):
        breaker.miss(now, 30)
        answering(breaker, now)

    assert breaker.circuit(100).state == "closed"


def test_a_health_check_does_not_end_the_time_that_calls_have_cost():
    breaker = opened()

    breaker.find()

    assert breaker.circuit(1).state == "open"


def test_who_is_checked_is_doubted_before_the_first_check_and_out_when_it_fails():
    breaker = Breaker(TOLERANCE, checked=True)
    assert breaker.doubted

    breaker.miss(0, 30)

    assert breaker.circuit(0).state == "open"


def test_without_further_checks_calls_try_it_themselves():
    breaker = Breaker(TOLERANCE, checked=True)
    breaker.miss(0, 30)

    assert not breaker.admit(29)
    assert breaker.admit(30)


def test_a_breaker_that_is_off_opens_for_health_checks_only():
    breaker = Breaker(Tolerance(error_rate=math.inf, probes=0))

    failing(breaker, 0, times=100)
    assert breaker.circuit(0).state == "closed"
    breaker.miss(0, 30)
    breaker.miss(10, 30)
    assert breaker.circuit(10).state == "open"
    breaker.find()
    assert breaker.circuit(10).state == "closed"


@dataclass
class Naive:
    """The same by the words of the page: a list of everything that happened, looked through each time."""

    tolerance: Tolerance
    state: str = "closed"
    until: float = 0.0
    times: int = 1
    opened: int = 0
    good: int = 0
    misses: int = 0
    missing: bool = False
    outcomes: list[tuple[float, int, int]] = field(default_factory=list)
    valid: set[int] = field(default_factory=set)
    probe: int = 0
    probe_until: float = 0.0

    def change(self, state: str) -> None:
        self.state = state
        self.valid, self.probe, self.good, self.outcomes = set(), 0, 0, []

    def open(self, until: float) -> None:
        if self.state != "open":
            self.opened += 1
        self.until = until
        self.change("open")

    def try_again(self) -> None:
        self.missing = False
        self.change("half-open")

    def admits(self, now: float) -> bool:
        if self.state == "closed":
            return True
        if self.state == "open":
            return now >= self.until
        return not self.probe or now >= self.probe_until

    def admitted(self, ticket: int, now: float) -> None:
        if self.state == "open":
            self.try_again()
        if self.state == "half-open":
            self.probe, self.probe_until = ticket, now + self.tolerance.open_seconds * self.times
        self.valid.add(ticket)

    def succeed(self, ticket: int, now: float) -> None:
        if ticket not in self.valid:
            return
        self.misses = 0
        self.outcomes.append((now, 1, 0))
        if self.state == "half-open":
            self.good += 1
            self.release(ticket)
            if self.good == self.tolerance.probes:
                self.times = 1
                self.change("closed")

    def fail(self, ticket: int, now: float, calls: int) -> None:
        if ticket not in self.valid:
            return
        if self.state == "half-open":
            self.times = min(2 * self.times, MOST_GROWTH)
            self.open(now + self.tolerance.open_seconds * self.times)
            return
        self.outcomes.append((now, calls, 1))
        width = self.tolerance.window_seconds / BUCKETS
        recent = [each for each in self.outcomes if each[0] // width > now // width - BUCKETS]
        failures = sum(each[2] for each in recent)
        number = max(sum(each[1] for each in recent), failures)
        if number >= self.tolerance.minimum and failures / number >= self.tolerance.error_rate:
            self.open(now + self.tolerance.open_seconds)

    def release(self, ticket: int) -> None:
        if ticket == self.probe:
            self.probe = 0

    def miss(self, now: float, seconds: float) -> None:
        self.misses += 1
        if self.misses >= MISSES:
            self.missing = True
            left = self.until - now if self.state == "open" else 0
            self.open(now + max(seconds, left))

    def find(self) -> None:
        self.misses = 0
        if self.missing:
            self.try_again()


class Machine(RuleBasedStateMachine):
    @initialize(
        error_rate=st.sampled_from([0.25, 0.5, 1.0]),
        minimum=st.integers(1, 6),
        probes=st.integers(1, 3),
        checked=st.booleans(),
    )
    def begin(self, error_rate: float, minimum: int, probes: int, *, checked: bool) -> None:
        tolerance = Tolerance(error_rate, 20, minimum, 8, probes)
        self.breaker = Breaker(tolerance, checked=checked)
        self.naive = Naive(tolerance, misses=MISSES - 1 if checked else 0)
        self.now = 0.0
        self.pending: list[int] = []
        self.answered: list[int] = []

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 7.5, 8.0, 30.0, 64.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def call(self) -> None:
        expected = self.naive.admits(self.now)
        ticket = self.breaker.admit(self.now)
        assert bool(ticket) == expected
        if ticket:
            self.naive.admitted(ticket, self.now)
            self.pending.append(ticket)

    def one(self, tickets: list[int], data: st.DataObject) -> int:
        return tickets.pop(data.draw(st.integers(0, len(tickets) - 1)))

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        ticket = self.one(self.pending, data)
        self.breaker.succeed(ticket, self.now)
        self.naive.succeed(ticket, self.now)
        self.answered.append(ticket)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        ticket = self.one(self.pending, data)
        self.breaker.fail(ticket, self.now)
        self.naive.fail(ticket, self.now, 1)

    @precondition(lambda self: self.answered)
    @rule(data=st.data())
    def fall(self, data: st.DataObject) -> None:
        ticket = self.one(self.answered, data)
        self.breaker.fall(ticket, self.now)
        self.naive.fail(ticket, self.now, 0)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def say_nothing(self, data: st.DataObject) -> None:
        ticket = self.one(self.pending, data)
        self.breaker.release(ticket)
        self.naive.release(ticket)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.one(self.pending, data)

    @rule(seconds=st.sampled_from([4.0, 30.0]))
    def miss(self, seconds: float) -> None:
        self.breaker.miss(self.now, seconds)
        self.naive.miss(self.now, seconds)

    @rule()
    def find(self) -> None:
        self.breaker.find()
        self.naive.find()

    @invariant()
    def both_say_the_same(self) -> None:
        shown = self.breaker.circuit(self.now)
        due = self.naive.state == "open" and self.now >= self.naive.until
        assert shown.state == ("half-open" if due else self.naive.state)
        assert shown.opened == self.naive.opened
        assert self.breaker.admits(self.now) == self.naive.admits(self.now)
        assert self.breaker.doubted == (self.naive.misses > 0)

    @invariant()
    def whatever_happened_good_answers_close_it(self) -> None:
        breaker = copy.deepcopy(self.breaker)
        later = self.now + 64
        answering(breaker, later, times=3)
        assert breaker.circuit(later).state == "closed"


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestABreakerIsWhatANaiveOneIs = Machine.TestCase
