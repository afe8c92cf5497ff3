"""How fast an upstream is asked: whose limit holds, what others use of it, and how caution comes and goes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pace import (
    FORGET_SECONDS,
    LEAST_SHARE,
    OVER,
    RAISED_SECONDS,
    RECOVERY_PER_SECOND,
    WINDOW_SECONDS,
    Caution,
    Pace,
    Rhythm,
)
from app.ratelimit_headers import Level
from sim.limits import Bucket


def told(pace: Pace, level: Level, at: float = 0.0, window_end: float = math.inf, granted: int = 0) -> None:
    pace.hear(level, window_end, at, granted)


def test_the_configured_limit_holds_until_the_upstream_says_its_own():
    pace = Pace(60)
    assert pace.limit(0) == 60

    told(pace, Level(600))

    assert pace.limit(1) == 600


def test_without_any_limit_there_is_none_until_one_is_told():
    pace = Pace(None)
    assert pace.limit(0) is None

    told(pace, Level(600))

    assert pace.limit(0) == 600


def test_what_was_not_said_again_for_long_is_forgotten():
    pace = Pace(60)
    told(pace, Level(600, 0, base=600))

    assert pace.limit(FORGET_SECONDS) == 600
    assert pace.limit(FORGET_SECONDS + 1) == 60
    assert pace.used(FORGET_SECONDS + 1, 0) == 0


def test_older_news_say_nothing():
    pace = Pace(None)
    told(pace, Level(72), at=10)
    told(pace, Level(60), at=5)

    assert pace.limit(10) == 72
    assert not pace.hear(Level(60), math.inf, 9, 0)


@pytest.mark.parametrize(
    ("usage", "after", "limit"),
    [
        (0.2, -1, 240),
        (0.2, 1, 160),
        (0.2, WINDOW_SECONDS + 1, 106),
        (0.9, 1, 240),
        (0.9, WINDOW_SECONDS + 1, 160),
        (None, 1, 240),
    ],
)
def test_a_limit_that_was_little_used_is_taken_to_shrink_when_its_window_ends(usage, after, limit):
    pace = Pace(None)
    told(pace, Level(240, base=60, usage=usage), window_end=100)

    assert pace.limit(100 + after) == limit


def test_it_is_not_taken_to_shrink_below_its_base():
    pace = Pace(None)
    told(pace, Level(72, base=60, usage=0.0), window_end=1)

    assert pace.limit(WINDOW_SECONDS + 2) == 60


def test_a_limit_that_others_show_to_be_larger_holds_until_news_come():
    pace = Pace(60)
    pace.raise_to(72, 0)
    assert pace.limit(1) == 72
    assert pace.limit(RAISED_SECONDS) == 60

    pace.raise_to(99, 100)
    told(pace, Level(90), at=101)

    assert pace.limit(102) == 90


def test_what_others_use_is_seen_in_what_remains():
    pace = Pace(None)
    told(pace, Level(60, 10), granted=5)

    assert pace.used(0, 5) == 50
    assert pace.used(0, 8) == 53
    assert pace.used(10, 8) == 43
    assert pace.used(1000, 8) == 0


@pytest.mark.parametrize(
    ("level", "used"),
    [
        (Level(60, 0, 60), 60),
        (Level(60, 0, 91), 90),  # a minute and a half until all is back: half a minute's worth is owed
        (Level(60, 5, 91), 55),  # something is left, so this is no debt
        (Level(60, 0, over=True), 60 + OVER),
    ],
)
def test_what_was_used_beyond_the_limit_is_owed(level, used):
    pace = Pace(None)
    told(pace, level)

    assert pace.used(0, 0) == used
    assert pace.used(0, 1000) == max(used, 60)


@given(
    st.lists(st.tuples(st.floats(0, 3), st.booleans(), st.booleans()), max_size=60),
    st.sampled_from([60, 600]),
)
def test_no_more_is_said_to_be_used_than_is(steps, limit):
    """Against the twin's bucket: calls of ours and of others, each of ours is told what remains."""
    bucket, pace = Bucket(limit, 1e9, 0), Pace(None)
    now, granted = 0.0, 0
    for passes, ours, asks in steps:
        now += passes
        bucket.advance(now)
        if asks and bucket.holds(1):
            bucket.take(1)
            if ours:
                granted += 1
                told(pace, Level(limit, int(bucket.level)), now, granted=granted)
        assert pace.used(now, granted) <= limit - bucket.level + 1 + 1e-6


@pytest.mark.parametrize(
    ("turns", "gap"),
    [
        ([1, 2], None),  # too few to tell
        ([1, 3, 6], 2.0),
        ([1, 3, 6, 66, 68], 2.0),  # a minute was a pause
        ([2, 4, 6, 8, 10, 15], 2.6),  # a fifth of what is new, once there are more than five
    ],
)
def test_the_pace_of_turns_is_the_mean_of_a_few_and_then_follows(turns, gap):
    rhythm = Rhythm(100.0)
    for turn in turns:
        rhythm.turn(100.0 + turn, 10.0)

    assert rhythm.gap_seconds == (None if gap is None else pytest.approx(gap))


def test_a_refusal_costs_more_than_a_warning_and_both_are_forgiven():
    warned, refused = Caution(), Caution()
    warned.warn(0, 1)
    refused.refuse(0, 1)

    assert refused.share(1) < warned.share(1) < 1
    assert refused.share(1 + 0.1 / RECOVERY_PER_SECOND) == 1


def test_calls_that_met_the_same_excess_are_one_reason_for_caution():
    caution = Caution()
    for asked in (0.0, 0.5, 0.9):
        caution.refuse(asked, 1)

    assert caution.share(1) == pytest.approx(0.9)
    caution.refuse(1.5, 2)
    assert caution.share(2) == pytest.approx(0.81, abs=0.01)


@given(st.lists(st.tuples(st.floats(0, 1000), st.booleans()), max_size=80))
def test_caution_stays_between_its_bounds(steps):
    caution, now = Caution(), 0.0
    for passes, refused in steps:
        now += passes
        (caution.refuse if refused else caution.warn)(now, now)
        assert LEAST_SHARE <= caution.share(now) <= 1
        assert caution.share(now) <= caution.share(now + 1)
