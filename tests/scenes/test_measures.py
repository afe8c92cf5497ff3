import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes.measures import (
    agreement,
    associativity,
    density,
    evidence_recall,
    fetchable,
    reciprocal_rank,
    reversibility,
)

FACTS = st.lists(st.sampled_from(["12", "A-7", "not", "2026-05-04", "x"]), max_size=6).map(" ".join)


class Words:
    """A token is a word."""

    name = "words"

    def count(self, text: str) -> int:
        return len(text.split())


def test_density_counts_the_legend_by_its_uses():
    found = density("a b c d e f 12 13", "q 12 13", Words(), legend_tokens=4, uses=4)
    assert found.tokens == pytest.approx(8 / 4)
    assert found.facts == pytest.approx(1000 * 2 / 3)
    assert found.facts_gain == pytest.approx((2 / 3) / (2 / 8))


def test_noise_left_as_it_is_has_a_density_of_one():
    noise = base64.b64encode(random.Random(7).randbytes(600)).decode()
    assert density(noise, noise, Words()).tokens == 1.0


def test_a_text_said_twice_is_no_less_dense_in_tokens_and_in_bits_no_denser():
    once = "the cat sat on the mat 12 times"
    twice = f"{once}\n{once}"
    assert density(twice, f"2x {once}", Words()).tokens >= density(once, once, Words()).tokens
    assert density(twice, twice, Words()).bits < density(once, once, Words()).bits


def test_what_comes_back_whole_is_exact_and_what_cannot_be_read_is_not():
    def refuses(_: str) -> str:
        raise ValueError

    assert reversibility("a 12", "A 12", str.lower).exact
    assert not reversibility("a 12", "A 12", refuses).exact
    assert reversibility("a 12 13", "a 12", str).facts == 0.5


@given(FACTS, FACTS, FACTS)
def test_joining_texts_is_associative_and_keeping_the_longest_alone_need_not_be(one, two, three):
    assert associativity("{}\n{}".format, one, two, three) == 1.0
    assert 0.0 <= associativity(lambda a, b: max(a, b, key=len), one, two, three) <= 1.0


def test_a_merge_that_forgets_is_not_associative():
    assert associativity(lambda a, b: b + " " + a[:2], "12 x", "13 y", "14 z") < 1.0


def test_shares_and_ranks():
    assert evidence_recall({1, 2}, {2, 3}) == 0.5
    assert reciprocal_rank({3}, [1, 2, 3]) == pytest.approx(1 / 3)
    assert reciprocal_rank({9}, [1, 2, 3]) == 0.0
    assert fetchable(["a", "b"], {"a"}) == 0.5
    assert agreement({1, 2}, {2, 3, 4}) == agreement({5, 6}, {6, 7, 8})
    assert agreement({1, 2}, {2, 3, 4}).precision == 0.5
