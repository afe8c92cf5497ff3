"""How long is waited, and how often may be retried."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.backoff import BASE_SECONDS, LONGEST_SECONDS, SPREAD, RetryBudget, pause_seconds, retry_after_seconds

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2),
        ("0", 0),
        ("1.5", 1.5),
        ("1s", 1),
        ("-3", None),
        ("Wed, 25 Nov 2026 12:00:30 GMT", 30),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 0),
        ("Wed, 25 Nov 2026 12:00:30 -0000", 30),
        ("Wed, 21 99999999999999 2015 07:28:00 GMT", None),
        ("soon", None),
        ("", None),
        ("nan", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value, seconds):
    assert retry_after_seconds(value, NOW) == seconds


@given(st.text(max_size=40))
def test_no_header_breaks_the_reading(value):
    seconds = retry_after_seconds(value, NOW)

    assert seconds is None or seconds >= 0


def test_what_the_upstream_asks_for_is_waited_and_a_little_more():
    pauses = [pause_seconds(1, {"retry-after": "2"}, NOW) for _ in range(100)]

    assert min(pauses) >= 2
    assert max(pauses) <= 2 * (1 + SPREAD)


def test_pauses_grow_with_full_jitter_up_to_a_bound():
    def longest(number: int) -> float:
        return max(pause_seconds(number, {}, NOW) for _ in range(300))

    assert longest(1) <= BASE_SECONDS < longest(2) <= 2 * BASE_SECONDS
    assert longest(30) <= LONGEST_SECONDS
    assert min(pause_seconds(4, {}, NOW) for _ in range(300)) < BASE_SECONDS


def test_an_outage_is_not_multiplied():
    budget = RetryBudget()
    asked, retried = 1000, 0
    for number in range(asked):
        budget.earn()
        retried += sum(budget.spend(number / 1000) for _ in range(2))

    assert retried <= RetryBudget.MOST + asked * RetryBudget.SHARE + RetryBudget.PER_SECOND


def test_a_quiet_upstream_may_be_retried_again_after_a_while():
    budget = RetryBudget()
    while budget.spend(1.0):
        pass

    assert not budget.spend(1.5)
    assert budget.spend(4.0)
