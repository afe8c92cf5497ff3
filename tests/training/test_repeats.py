"""Texts that are there already."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.corpus.repeats import Repeats

WORDS = [f"word{number}" for number in range(2000)]


def text(seed: int, length: int = 200) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def test_the_same_words_are_seen_whatever_their_spaces_and_capitals():
    repeats = Repeats()
    assert not repeats.seen("The desk waits below the level.")
    assert repeats.seen("the  desk waits\nbelow the LEVEL.")


@pytest.mark.parametrize("seed", range(30))
def test_a_text_with_two_words_changed_is_seen_and_another_one_is_not(seed):
    repeats = Repeats()
    words = text(seed)
    assert not repeats.seen(" ".join(words))
    assert not repeats.seen(" ".join(text(seed + 1000)))
    near = [*words]
    near[50], near[120] = "changed", "too"
    assert repeats.seen(" ".join(near))


@pytest.mark.parametrize("seed", range(10))
def test_half_a_text_is_another_text(seed):
    repeats = Repeats()
    repeats.seen(" ".join(text(seed)))
    assert not repeats.seen(" ".join(text(seed)[:100] + text(seed + 1, 100)))


@given(st.lists(st.text(max_size=40), max_size=20))
def test_any_text_is_known_once_it_was_seen(texts):
    repeats = Repeats()
    for each in texts:
        repeats.seen(each)
    assert all(repeats.seen(each) for each in texts)
