"""Rankings fused, and what fits into a budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes.fusion import fused, within

RANKINGS = st.lists(st.lists(st.integers(0, 20), unique=True), max_size=4)


def test_what_several_rankings_have_comes_before_what_one_has():
    assert [*fused([["a", "b", "c"], ["d", "c"]])] == ["c", "a", "d", "b"]


def test_the_score_is_the_sum_of_reciprocal_places():
    assert fused([["a", "b"], ["b"]]) == {"b": pytest.approx(1 / 62 + 1 / 61), "a": pytest.approx(1 / 61)}


def test_of_equal_ones_the_one_met_first_comes_first():
    assert [*fused([["a"], ["b"]])] == ["a", "b"]
    assert [*fused([["b"], ["a"]])] == ["b", "a"]


def test_an_item_counts_once_in_a_ranking():
    assert fused([["a", "b", "a"]]) == fused([["a", "b"]])


def test_of_nothing_there_is_no_ranking():
    assert fused([]) == fused([[], []]) == {}


@given(RANKINGS)
def test_every_item_is_there_once_and_scores_fall(rankings):
    scores = fused(rankings)
    assert set(scores) == {item for ranking in rankings for item in ranking}
    assert [*scores.values()] == sorted(scores.values(), reverse=True)


@given(st.lists(st.integers(0, 20), unique=True))
def test_one_ranking_stays_as_it_is(ranking):
    assert [*fused([ranking])] == ranking


def test_the_best_that_fit_are_chosen_and_told_in_their_own_order():
    assert within(10, [3, 0, 1, 2], [4, 5, 3, 3]) == [0, 2, 3]
    assert within(10, [3, 0], [4, 5, 3, 3]) == [0, 3]
    assert within(0, [0, 1], [1, 0]) == [1]
    assert within(5, [], [1]) == []
    assert within(9, [0, 0], [4]) == [0]


@given(st.integers(0, 100), st.lists(st.integers(0, 50), max_size=12), st.randoms())
def test_the_budget_holds_and_the_best_is_in_it_where_it_fits(budget, tokens, random):
    ranked = random.sample(range(len(tokens)), len(tokens))
    chosen = within(budget, ranked, tokens)
    assert sum(tokens[place] for place in chosen) <= budget
    assert [*chosen] == sorted(set(chosen))
    left = budget - sum(tokens[place] for place in chosen)
    assert all(tokens[place] > left for place in ranked if place not in chosen)
