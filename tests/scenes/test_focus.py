from hypothesis import given
from hypothesis import strategies as st

from scenes.focus import chosen

PASSAGES = ["Bees make honey.", "Rome was not built in a day.", "The bees of Rome are gentle.", "Ships sail."]


def test_what_fits_stays_whole():
    found = chosen("bees", PASSAGES, 1000)
    assert list(found.places) == [0, 1, 2, 3]
    assert found.before == found.after


def test_the_best_stay_in_their_own_order():
    assert list(chosen("What do the bees of Rome do?", PASSAGES, 12).places) == [0, 2]


def test_the_best_one_stays_whatever_its_size():
    assert list(chosen("Rome", PASSAGES, 1).places) == [2]


def test_what_a_passage_is_about_stands_in_its_first_sentence():
    about = ["Rome is old. Its people go to Milan to shop.", "Milan is new. Its people go to Rome to shop."]
    assert list(chosen("Where is Milan?", about, 11).places) == [1]
    assert list(chosen("Where is Rome?", about, 11).places) == [0]


def test_a_question_that_says_nothing_keeps_the_first():
    assert list(chosen("", PASSAGES, 5).places) == [0]


@given(st.text(max_size=50), st.lists(st.text(max_size=60), max_size=12), st.integers(1, 60))
def test_no_more_than_the_budget_stays_beside_the_best(question, passages, budget):
    found = chosen(question, passages, budget)
    assert list(found.places) == sorted(set(found.places))
    assert found.after <= found.before
    if len(found.places) > 1:
        assert found.after <= budget
