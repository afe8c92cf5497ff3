"""When a canary is rolled back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import config
from app.contracts import Route
from app.routing.canary import Canary

ROUTE = Route("demo", "new", "main", "canary")


def canary(**settings: Any) -> Canary:
    return Canary("main", config.Canary(to="new", share=0.1, **settings), ROUTE)


def note(one: Canary, outcomes: str, now: float = 0.0, first_seconds: float | None = None) -> list[bool]:
    """`+` is good, `-` has failed."""
    return [one.note(now, failed=each == "-", first_seconds=first_seconds) for each in outcomes]


def test_a_canary_above_its_error_rate_is_rolled_back_once():
    one = canary(error_rate=0.1, least_calls=10)

    assert note(one, "+" * 19 + "-" * 3)[-2:] == [False, True]
    assert one.verdict == "3 of 22 attempts failed"
    assert not any(note(one, "-" * 50))
    assert one.verdict == "3 of 22 attempts failed"


def test_too_few_calls_say_nothing():
    one = canary(least_calls=10)
    assert not any(note(one, "-" * 9))
    assert note(one, "-") == [True]


def test_a_canary_at_its_bound_goes_on():
    one = canary(error_rate=0.5, least_calls=1)
    assert not any(note(one, "+-" * 50))


def test_failures_that_are_older_than_the_window_are_forgotten():
    one = canary(error_rate=0.4, least_calls=10, window_seconds=60)
    note(one, "----", now=0)
    assert not any(note(one, "+" * 9 + "---", now=100))


@pytest.mark.parametrize(("slow", "rolled_back"), [(5, False), (6, True)])
def test_a_canary_whose_median_time_to_first_content_is_above_its_bound_is_rolled_back(slow, rolled_back):
    one = canary(first_content_seconds=1.0, least_calls=11)
    note(one, "+" * (11 - slow), first_seconds=0.9)
    note(one, "+" * slow, first_seconds=1.1)
    assert bool(one.verdict) is rolled_back


def test_times_count_where_there_is_a_bound_and_a_stream():
    unbounded, plain = canary(least_calls=1), canary(least_calls=1, first_content_seconds=0.1)
    assert not any(note(unbounded, "+" * 50, first_seconds=100))
    assert not any(note(plain, "+" * 50, first_seconds=None))


def test_a_trial_ends_with_its_settings():
    one = canary()
    assert one.is_of(config.Canary(to="new", share=0.1), ROUTE)
    assert not one.is_of(config.Canary(to="new", share=0.2), ROUTE)
    assert not one.is_of(config.Canary(to="new", share=0.1), Route("demo", "newer", "main", "canary"))


@given(st.lists(st.booleans(), max_size=200), st.floats(0, 1), st.integers(1, 50))
def test_it_is_rolled_back_at_the_first_moment_at_which_its_rate_is_above_the_bound(outcomes, rate, least):
    one = canary(error_rate=rate, least_calls=least)
    found = [one.note(0.0, failed=failed, first_seconds=None) for failed in outcomes]
    above = [count >= least and sum(outcomes[:count]) > count * rate for count in range(1, len(outcomes) + 1)]
    first = above.index(True) if True in above else None
    assert [at for at, rolled in enumerate(found) if rolled] == ([] if first is None else [first])
