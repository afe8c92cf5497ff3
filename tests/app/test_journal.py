"""What an attempt used, and how it ended."""

import asyncio

import pytest

from app.contracts import Route
from app.errors import UpstreamTimeout
from app.journal import Attempt
from app.reading import Reading
from app.usage import Usage

ROUTE = Route("up", "m", "alias", "configured")
WORD = b'data: {"choices":[{"delta":{"content":"word "}}]}\n\n'
ENDED = b"data: [DONE]\n\n"


def attempt(*events: bytes) -> Attempt:
    made = Attempt(ROUTE, "first")
    if events:
        reading = Reading("chat")
        for event in events:
            reading.events(event)
        made.begin(reading)
    return made


def test_what_the_upstream_reports_counts_also_where_it_is_zero():
    zero = b'data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}\n\n'

    assert attempt(WORD, zero, ENDED).settle(lambda: 9) == Usage(0, 0)


def test_what_it_does_not_report_is_estimated():
    assert attempt(WORD, WORD).settle(lambda: 9) == Usage(9, 2, estimated=True)


def test_an_attempt_without_an_answer_used_nothing_that_is_known():
    assert attempt().settle(lambda: 9) == Usage()


def test_usage_is_added_up_and_an_estimate_stays_one():
    assert Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40, estimated=True) == Usage(11, 22, 33, 44, estimated=True)


@pytest.mark.parametrize(
    ("events", "error", "outcome"),
    [
        ((WORD, ENDED), None, "ok"),
        ((WORD, ENDED), asyncio.CancelledError(), "ok"),
        ((WORD,), asyncio.CancelledError(), "cancelled"),
        ((WORD,), UpstreamTimeout("late"), "upstream_timeout"),
        ((), UpstreamTimeout("late"), "upstream_timeout"),
        ((WORD,), ValueError(), "internal"),
    ],
)
def test_how_it_ended_is_told(events, error, outcome):
    made = attempt(*events)
    made.end(error)

    assert made.outcome == outcome
