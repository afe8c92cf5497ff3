"""Nebius' limits: what is served, when it is not, and how they move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.limits import CEILING, SPARE, Bucket, Limits


def limits(requests: int = 60, tokens: int = 1000) -> Limits:
    return Limits(requests, tokens, 0.0)


def test_a_limit_is_refilled_all_the_time():
    held = limits()
    for _ in range(60):
        assert held.admit(1, "default", 0).served_as == "default"

    assert held.admit(1, "default", 0).retry_after_seconds == 1
    assert held.admit(1, "default", 0.5).served_as == ""
    assert held.admit(1, "default", 1.0).served_as == "default"


def test_beyond_the_limit_there_is_some_room_and_then_none():
    held = limits(requests=10)

    served = [held.admit(0, "auto", 0) for _ in range(13)]

    assert [verdict.over_limit for verdict in served] == [False] * 10 + [True] * int(10 * SPARE) + [False]
    assert served[-1].retry_after_seconds == 6


def test_flex_takes_no_credit_and_is_never_refused():
    held = limits(requests=1)

    assert {held.admit(500, "flex", 0).served_as for _ in range(9)} == {"flex"}
    assert held.admit(500, "default", 0).served_as == "default"


def test_what_an_answer_cost_is_taken_afterwards():
    held = limits(tokens=600)
    held.admit(100, "auto", 0)
    held.settle(1000, 0)

    assert held.admit(1, "auto", 0).retry_after_seconds == 39
    assert held.admit(1, "auto", 39).over_limit


def test_a_prompt_above_the_whole_limit_is_served_from_a_full_one():
    assert limits(tokens=10).admit(500, "default", 0).served_as == "default"


@pytest.mark.parametrize(
    ("used", "scale"), [(0.79, 1.0), (0.8, 1.2), (1.1, 1.2), (0.51, 1.0), (0.5, 1.0), (0.0, 1.0)]
)
def test_a_limit_moves_by_what_was_used_of_its_window(used, scale):
    bucket = Bucket(100, 60, 0)
    bucket.take(used * 100)

    bucket.advance(60)

    assert bucket.scale == pytest.approx(scale)


def test_a_limit_shrinks_again_and_never_below_its_base():
    bucket = Bucket(100, 60, 0)
    for window in range(5):
        bucket.advance(window * 60)
        bucket.take(bucket.limit)
    bucket.advance(300)
    assert bucket.scale == pytest.approx(1.2**5)

    bucket.advance(360)
    assert bucket.scale == pytest.approx(1.2**5 / 1.5)
    bucket.advance(10_000)
    assert bucket.scale == 1.0


def test_a_limit_grows_to_twenty_times_its_base():
    bucket = Bucket(100, 60, 0)
    for window in range(30):
        bucket.advance(window * 60)
        bucket.take(bucket.limit)

    assert bucket.scale == CEILING


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 500)), max_size=30))
def test_no_more_is_served_than_the_limits_in_force_allow(steps):
    held = Limits(60, 1000, 0.0, 1e9)  # one window, so that the limit stays
    now, served = 0.0, 0
    for passes, tokens in steps:
        now += passes
        served += tokens if held.admit(tokens, "default", now).served_as else 0

    assert served <= 1000 + now * 1000 / 60 + 1e-6


def test_the_headers_have_units():
    held = limits(requests=100, tokens=1000)
    held.admit(300, "auto", 0)

    assert held.headers(1.0) == {
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "100",
        "x-ratelimit-reset-requests": "0s",
        "x-ratelimit-dynamic-scale-requests": "1",
        "x-ratelimit-dynamic-period-usage-requests": "0%",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "716",
        "x-ratelimit-reset-tokens": "17s",
        "x-ratelimit-dynamic-scale-tokens": "1",
        "x-ratelimit-dynamic-period-usage-tokens": "2%",
        "x-ratelimit-dynamic-period-remaining": "899s",
    }
