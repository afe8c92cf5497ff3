from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes.codebook.book import Codebook, Entry
from scenes.economy import USES_A_TURN, Outlook, expected_saving, gain, saved_tokens
from scenes.rough import ROUGH

OUTLOOKS = st.builds(
    Outlook,
    legend_tokens=st.integers(0, 600),
    saved_tokens=st.integers(0, 600),
    turns=st.integers(1, 100),
    price=st.floats(0.01, 10),
    cached_price=st.floats(0, 0.01),
    encode_seconds=st.floats(0, 0.1),
)


@given(OUTLOOKS)
def test_the_gain_is_what_the_bills_of_all_turns_differ_by(outlook: Outlook):
    bill = 0.0
    for turn in range(outlook.turns):
        legend_price = outlook.cached_price if turn else outlook.price
        bill += outlook.legend_tokens * legend_price
        bill -= outlook.saved_tokens * (outlook.price + turn * outlook.cached_price)
        bill += outlook.price * outlook.encode_seconds * 10_000
    assert gain(outlook) == pytest.approx(-bill, rel=1e-9, abs=1e-6)


def test_a_legend_that_nothing_uses_costs_what_it_is_read_for():
    assert gain(Outlook(600, 0, turns=8, cached_price=0.1)) == pytest.approx(-600 * 1.7)


def test_it_pays_from_the_turn_on_that_the_prices_say():
    once = Outlook(legend_tokens=600, saved_tokens=100, turns=1)
    paying = [turns for turns in range(1, 40) if gain(replace(once, turns=turns)) > 0]
    cheap = [turns for turns in range(1, 40) if gain(replace(once, turns=turns, cached_price=0.1)) > 0]

    assert paying[0] == 12  # 600 N < 100 N (N+1) / 2
    assert cheap[0] == 8
    assert paying == list(range(12, 40))


@given(OUTLOOKS, st.integers(1, 100))
def test_who_saves_more_gains_more_and_who_waits_longer_less(outlook: Outlook, more: int):
    assert gain(replace(outlook, saved_tokens=outlook.saved_tokens + more)) > gain(outlook)
    assert gain(replace(outlook, encode_seconds=outlook.encode_seconds + more)) < gain(outlook)


def test_a_turn_is_expected_to_use_each_active_phrase_once():
    entries = (
        Entry("§password", "Failed password for invalid user", 9, "active"),
        Entry("§ac", "a phrase that nobody says any more", 5, "retired"),
    )
    book = Codebook("shop-logs", 1, None, entries)
    each = list(saved_tokens(book, ROUGH[0]))

    assert len(each) == 1
    assert each[0] > 0
    assert expected_saving(book, ROUGH[0]) == USES_A_TURN * each[0]
