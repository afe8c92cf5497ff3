"""An upstream's headers about its limits: what is understood, and that nothing hostile gets through."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ratelimit_headers import (
    LONGEST_PAUSE_SECONDS,
    LONGEST_SECONDS,
    MOST,
    Level,
    Limits,
    duration,
    limits,
    pause_seconds,
    told,
)
from sim.limits import Limits as Twin

NAMES = [
    f"x-ratelimit-{name}"
    for name in (
        "limit-requests",
        "remaining-requests",
        "reset-requests",
        "limit-tokens",
        "remaining-tokens",
        "reset-tokens",
        "dynamic-scale-requests",
        "dynamic-period-usage-requests",
        "dynamic-period-remaining",
        "over-limit",
    )
]
HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from([
        "nan",
        "inf",
        "-inf",
        "-1",
        "0",
        "0.0",
        "1e400",
        "9" * 40,
        "0x10",
        "٣",
        "1_000",
        "",
        "-5s",
        "9" * 16 + "d",
    ]),
    st.from_regex(r"\A[0-9.]{0,20}[a-z%]{0,3}\Z"),
)


def lines(**values: object) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-ratelimit-" + name.replace("_", "-").encode(), str(value).encode("latin-1", "replace"))
        for name, value in values.items()
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("900s", 900),
        ("6m0s", 360),
        ("20ms", 0.02),
        ("1h0m0s", 3600),
        ("1h2m3s", 3723),
        ("2m59.56s", 179.56),
        ("17", 17),
        ("0.5", 0.5),
        (" 3s ", 3),
        ("1d", 86_400),
        ("99h", LONGEST_SECONDS),
        ("250us", 0.00025),
    ],
)
def test_durations_are_read_with_their_units(text, seconds):
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "s", "-1", "-1s", "nan", "inf", "1e3", "1 s", "1x", "s1", "1s2", "2026-11-25T10:00:00Z", "٣s"],
)
def test_what_is_no_duration_says_nothing(text):
    assert duration(text) is None


def test_what_the_twin_says_is_what_it_means():
    twin = Twin(100, 1000, 0.0)
    twin.admit(300, "auto", 0)

    headers = [(name.encode(), value.encode()) for name, value in twin.headers(0.0).items()]

    assert limits(headers) == Limits(
        Level(100, 99, 1, 100, 0.0), Level(1000, 700, 18, 1000, 0.02), 900, over_limit=False
    )


def test_a_grown_limit_says_what_it_never_falls_below():
    found = limits(lines(limit_requests=124, dynamic_scale_requests="2.07", over_limit="yes"))

    assert found.requests == Level(124, base=59)
    assert found.over_limit


def test_openai_is_read_too():
    found = limits(
        lines(
            limit_requests=60,
            limit_tokens=150000,
            remaining_requests=59,
            remaining_tokens=149984,
            reset_requests="1s",
            reset_tokens="6m0s",
        )
    )

    assert found.requests == Level(60, 59, 1, 60)
    assert found.tokens is None  # it takes six minutes for sixteen tokens: no limit of a minute


def test_a_limit_of_a_day_is_not_taken_for_one_of_a_minute():
    groq = limits(
        lines(
            limit_requests=14400,
            remaining_requests=14370,
            reset_requests="2m59.56s",
            limit_tokens=18000,
            remaining_tokens=17997,
            reset_tokens="7.66ms",
        )
    )

    assert groq.requests is None
    assert groq.tokens is not None
    assert (groq.tokens.limit, groq.tokens.remaining) == (18000, 17997)
    assert groq.tokens.reset_seconds == pytest.approx(0.00766)


def test_more_remaining_than_the_limit_is_the_limit():
    assert limits(lines(limit_tokens=10, remaining_tokens=99)).tokens == Level(10, 10, base=10)


@pytest.mark.parametrize("limit", ["0", "-60", "nan", "0.3", str(MOST + 1), "", "many"])
def test_a_limit_that_is_none_is_not_said(limit):
    assert limits(lines(limit_requests=limit, remaining_requests=0)).requests is None


def test_other_headers_are_left_alone():
    headers = [(b"content-type", b"text/plain"), *lines(limit_requests=5), (b"x-request-id", b"1")]

    assert told(headers) == lines(limit_requests=5)
    assert limits(headers) == limits(lines(limit_requests=5))


@pytest.mark.parametrize(
    ("retry_after", "said", "seconds"),
    [
        ("2", {}, 2),
        ("2s", {}, 2),
        ("900ms", {}, 0.9),
        ("1m30s", {}, LONGEST_PAUSE_SECONDS),
        ("99999999999", {}, LONGEST_PAUSE_SECONDS),
        ("Wed, 25 Nov 2026 10:00:05 GMT", {}, 5),
        ("Wed, 25 Nov 2026 09:00:00 GMT", {}, 0),
        ("soon", {}, None),
        ("", {}, None),
        ("", {"limit_requests": 60, "remaining_requests": 0, "reset_requests": "30s"}, 30),
        ("", {"limit_requests": 60, "remaining_requests": 1, "reset_requests": "30s"}, None),
    ],
)
def test_a_pause_is_what_retry_after_says_else_when_what_is_spent_is_back(retry_after, said, seconds):
    now = datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC)

    assert pause_seconds(retry_after, limits(lines(**said)), now) == seconds


@given(st.dictionaries(st.sampled_from(NAMES), HOSTILE), HOSTILE)
def test_nothing_hostile_gets_through(values, retry_after):
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in values.items()]

    found = limits(headers)
    pause = pause_seconds(retry_after, found)

    assert pause is None or 0 <= pause <= LONGEST_PAUSE_SECONDS
    assert found.window_seconds is None or 0 <= found.window_seconds <= LONGEST_SECONDS
    for level in (found.requests, found.tokens):
        if level is not None:
            assert 1 <= level.base <= level.limit <= MOST
            assert level.remaining is None or 0 <= level.remaining <= level.limit
            assert level.reset_seconds is None or 0 <= level.reset_seconds <= LONGEST_SECONDS
            assert level.usage is None or (math.isfinite(level.usage) and level.usage >= 0)


@given(st.floats(0, 80_000), st.sampled_from(["s", "ms", "m", "h", ""]))
def test_a_written_number_is_read_as_written(number, unit):
    factor = {"s": 1, "ms": 0.001, "m": 60, "h": 3600, "": 1}[unit]

    assert duration(f"{number:.6f}{unit}") == pytest.approx(min(number * factor, LONGEST_SECONDS), abs=0.01)
