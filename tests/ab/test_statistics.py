"""The formulas, against values that others have published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ab.statistics import Z, _score, bootstrap, interval, mcnemar, needed, wilson


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_s_interval_is_that_of_newcombe_s_table(right, count, low, high):
    """Newcombe 1998, Statistics in Medicine 17, table I, method 3."""
    assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_may_be_any():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("gained", "lost", "p"), [(1, 9, 22 / 1024), (9, 1, 22 / 1024), (0, 5, 2 / 32), (3, 3, 1.0), (0, 0, 1.0)]
)
def test_mcnemar_is_both_tails_of_a_fair_coin(gained, lost, p):
    assert mcnemar(gained, lost) == pytest.approx(p)


def test_the_interval_of_a_difference_is_that_of_the_airways_example():
    """Fagerland, Lydersen and Laake 2014, Statistics in Medicine 33: 1 and 7 of 21 discordant, -0.517 to -0.026."""
    assert interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(("count", "square"), [(20, Z * Z), (400, Z * Z)])
def test_the_interval_is_not_empty_where_no_pair_differs(count, square):
    bound = square / (count + square)

    assert interval(0, 0, count) == pytest.approx((-bound, bound))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 400))
def test_at_its_ends_what_was_seen_is_just_as_far_off_as_allowed(gained, lost, more):
    count = gained + lost + more
    low, high = interval(gained, lost, count)

    assert -1 <= low <= (gained - lost) / count <= high <= 1
    assert _score(low, gained, lost, count) == pytest.approx(Z, abs=1e-3)
    assert _score(high, gained, lost, count) == pytest.approx(-Z, abs=1e-3)
    assert interval(lost, gained, count) == pytest.approx((-high, -low), abs=1e-6)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 200), st.integers(2, 4))
def test_halves_of_questions_never_narrow_it_below_that_of_the_values_themselves(gained, lost, more, times):
    """What was gained in one of `times` askings counts as so much less; its spread is smaller than the formula takes it to be."""
    count = gained + lost + more
    low, high = interval(gained / times, lost / times, count)
    values = [1 / times] * gained + [-1 / times] * lost + [0.0] * more
    mean = sum(values) / count
    error = (sum((value - mean) ** 2 for value in values) / count / count) ** 0.5

    assert high - low >= 2 * Z * error * 0.95


def test_the_bootstrap_of_equal_questions_is_a_point_and_of_others_is_about_two_errors_wide():
    assert bootstrap([0.0] * 50, 1) == (0.0, 0.0)
    low, high = bootstrap([1.0] * 30 + [-1.0] * 10 + [0.0] * 360, 1)

    assert (low, high) == pytest.approx((0.05 - 0.0307, 0.05 + 0.0307), abs=0.004)
    assert bootstrap([1.0] * 30 + [0.0] * 9, 7) == bootstrap([1.0] * 30 + [0.0] * 9, 7)


def test_the_questions_that_are_needed_grow_with_the_spread_and_with_a_smaller_margin():
    assert needed(0, 0, 100, 0.02) == 195
    assert interval(0, 0, 195)[0] > -0.02
    assert needed(4, 4, 100, 0.02) == 1749
    assert needed(4, 4, 100, 0.01) == 6995
    assert needed(0, 2, 100, 0.02) is None


def test_the_number_named_proves_it_in_four_runs_of_five():
    """Drawn at the discordant shares of 4 % each way, which is what was seen."""
    count = needed(15.5, 15.5, 400, 0.02)
    assert count is not None
    drawn = np.random.default_rng(1).multinomial(count, (0.04, 0.04, 0.92), size=400)
    proved = [interval(int(gained), int(lost), count)[0] > -0.02 for gained, lost, _ in drawn]

    assert 0.74 < sum(proved) / len(proved) < 0.87
