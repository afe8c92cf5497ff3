"""docs/reliability.md says what the code does."""

from typing import get_args

from app import backoff, hedging, overlap
from app.course import LONGEST_PAUSE_SECONDS
from app.outcomes import TABLE, FallbackClass
from tests.docs.pages import prose, tables
from tests.support.process import ROOT

PAGE = ROOT / "docs/reliability.md"


def test_the_meanings_are_those_of_the_table():
    [rows] = tables(PAGE, "### What a failure means")

    said = {True: "yes", False: "no"}
    assert [row[:5] for row in rows] == [
        [
            f"`{kind.__new__(kind).kind}`",
            f"`{meaning.error_class}`",
            said[meaning.retries],
            said[meaning.moves_on],
            said[meaning.counts],
        ]
        for kind, meaning in TABLE.items()
    ]
    assert all(row[5] for row in rows)


def test_a_fallback_can_be_configured_for_every_class_that_moves_on():
    assert set(get_args(FallbackClass)) == {
        meaning.error_class for meaning in TABLE.values() if meaning.moves_on
    }


def test_the_numbers_are_those_of_the_code():
    text = " ".join(prose(PAGE).split())

    for said in (
        f"{backoff.BASE_SECONDS} s, {2 * backoff.BASE_SECONDS} s, 1 s ... (full jitter), at most {backoff.LONGEST_SECONDS:.0f} s",
        f"A pause above {LONGEST_PAUSE_SECONDS:.0f} s",
        f"at most {backoff.RetryBudget.MOST:.0f} are saved up",
        f"{hedging.PERCENTILE:.0%} of the last {hedging.SAMPLES} answers".replace("%", " %"),
        f"once {hedging.FEWEST} are known",
        f"(from {overlap.FEWEST} characters on, or {overlap.FEWEST_WHOLE} where",
        f"more than {overlap.MOST} characters",
    ):
        assert said in text, said
    assert (backoff.SPREAD, backoff.RetryBudget.SHARE, backoff.RetryBudget.PER_SECOND) == (0.1, 0.2, 0.5)
