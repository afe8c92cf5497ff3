"""What a client is told about its limits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.allowance import NANO_USD, Allowance, Bound
from app.contracts import Caller
from app.errors import BudgetSpent, LimitReached, LimitTooSmall
from app.limits.counters import Verdict
from app.limits.rules import Limits, Rule, Rules
from app.limits.telling import duration, headers, refusal

NOON = 1795608000.0  # 2026-11-25 12:00 UTC
ALL = Allowance(
    requests=(Bound(100, "hour"), Bound(10, "minute")),
    tokens=(Bound(5000, "minute"),),
    usd=(Bound(50 * NANO_USD, "month"),),
    concurrent=8,
)


@pytest.fixture
def limits() -> Limits:
    return Rules([Rule("key", ALL)]).limits(Caller("frontend"), "words", "")


def told(limits: Limits, verdict: Verdict) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers(limits, verdict)}


def test_of_several_limits_the_headers_tell_the_one_with_the_least_left(limits):
    assert told(limits, Verdict(None, 0.0, [50, 2, 1000, 0, 1], NOON)) == {
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "50",
        "x-ratelimit-reset-requests": "30m0s",
        "x-ratelimit-limit-tokens": "5000",
        "x-ratelimit-remaining-tokens": "4000",
        "x-ratelimit-reset-tokens": "12s",
    }


def test_what_is_owed_is_not_told_as_less_than_nothing(limits):
    assert told(limits, Verdict(None, 0.0, [50, 2, 9000, 0, 1], NOON))["x-ratelimit-remaining-tokens"] == "0"


def test_of_a_share_what_is_left_is_told(limits):
    verdict = Verdict(None, 0.0, [10, 1, 0, 0, 1], NOON, 0.25)

    assert told(limits, verdict)["x-ratelimit-remaining-requests"] == "1"  # of 2, the quarter of 10 a minute


@pytest.mark.parametrize(
    ("refused", "wait", "kind", "said", "retry_after"),
    [
        (0, 35.2, LimitReached, "The key 'frontend' has used its 100 requests per hour: ask again in 36s (2026-11-25 12:00:36 UTC).", "36"),
        (2, 0.2, LimitReached, "has used its 5000 tokens per minute: ask again in 1s", "1"),
        (3, 475200.0, BudgetSpent, "has spent its budget of $50 per month: ask again in 132h0m0s (2026-12-01 00:00:00 UTC).", "475200"),
        (4, 1.0, LimitReached, "may have 8 calls at once, and so many run: ask again when one has ended.", "1"),
    ],
)  # fmt: skip
def test_a_refusal_says_whose_limit_it_is_and_when_it_frees(limits, refused, wait, kind, said, retry_after):
    failure = refusal(
        limits, [1, 1, 100, 200, 1], Verdict(refused, wait, [99.1, 2, 4990, 49 * NANO_USD, 8], NOON)
    )

    assert type(failure) is kind
    assert said in failure.message
    assert failure.headers["retry-after"] == retry_after
    assert ("x-should-retry" in failure.headers) == (int(retry_after) > 60)
    assert failure.headers["x-ratelimit-limit-requests"]


def test_who_asks_for_more_than_the_limit_is_told_that_waiting_is_no_use(limits):
    failure = refusal(limits, [1, 1, 6000, 0, 1], Verdict(2, math.inf, [0, 0, 0, 0, 0], NOON))

    assert type(failure) is LimitTooSmall
    assert "could take 6000 tokens: shorten the prompt or lower max_tokens" in failure.message
    assert failure.headers["x-should-retry"] == "false"
    assert "retry-after" not in failure.headers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.0121, "13ms"),
        (1, "1s"),
        (59.2, "1m0s"),
        (360, "6m0s"),
        (3600, "1h0m0s"),
        (90061, "25h1m1s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(seconds, text):
    assert duration(seconds) == text


@given(st.floats(0, 10**7))
def test_a_duration_is_never_shorter_than_the_wait(seconds):
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    number, total, text = "", 0.0, duration(seconds).replace("ms", "M")
    for each in text:
        if each.isdigit():
            number += each
        else:
            total += int(number) * units["ms" if each == "M" else each]
            number = ""
    assert seconds - 1e-5 <= total <= seconds + 1
