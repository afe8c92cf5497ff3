"""What a continuation repeats is taken away, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.overlap import FEWEST, Overlap, Repeats, Spaces

TEXT = "The boats lie in the harbour, and the men mend their nets beside the wall."
WORDS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz .,\n", min_size=0, max_size=60)


def joined(text: str, pieces: list[str]) -> str:
    overlap = Overlap(text)
    return text + "".join(overlap.feed(piece) for piece in pieces) + overlap.rest()


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
@pytest.mark.parametrize(
    "continuation",
    [
        " Nobody speaks.",
        "nets beside the wall. Nobody speaks.",
        " nets beside the wall. Nobody speaks.",
        TEXT + " Nobody speaks.",
    ],
    ids=["new", "repeats the end", "repeats the end behind a space", "begins anew and goes on"],
)
def test_the_text_is_whole_and_nothing_is_twice(continuation, size):
    assert joined(TEXT, cut(continuation, size)) == TEXT + " Nobody speaks."


def test_an_agreement_by_chance_stays():
    assert joined("ha ", ["ha", " ha"]) == "ha ha ha"


def test_a_continuation_that_begins_anew_and_goes_another_way_cannot_be_joined():
    with pytest.raises(Repeats):
        joined(TEXT, ["The boats lie in the bay, and nobody is there."])


def test_what_is_held_comes_at_the_end():
    assert joined("one two three four", ["three"]) == "one two three fourthree"


@given(WORDS, WORDS, st.integers(1, 9))
def test_new_text_arrives_whole_however_it_is_cut(text, continuation, size):
    """What does not begin like the text, and does not repeat its end, is not touched."""
    fresh = "Z" + continuation

    assert joined(text, cut(fresh, size)) == text + fresh


@given(
    st.text(alphabet="abcdefgh ", min_size=FEWEST, max_size=80), st.integers(FEWEST, 80), st.integers(1, 9)
)
def test_a_repeated_end_is_taken_away_however_it_is_cut_or_nobody_can_say_where_it_ends(text, length, size):
    try:
        assert joined(text, cut(text[-length:] + "Z!", size)) == text + "Z!"
    except Repeats:
        end = text[-length:]
        assert any(end.endswith(end[:short]) for short in range(1, len(end)))


@pytest.mark.parametrize("before", ["\n", "\n\n  "])
def test_a_repetition_behind_white_space_is_taken_away_too(before):
    assert joined(TEXT, [before, TEXT, " Nobody speaks."]) == TEXT + " Nobody speaks."


def test_what_repeats_itself_is_not_joined_by_guessing():
    with pytest.raises(Repeats):
        joined("[0, 0, 0, 0, 0, 0, ", ["0, 0, 0, 0, 1]"])


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize(
    ("text", "continuation", "whole"),
    [
        ("Steps:\n\n", "\n\n1. Cut", "Steps:\n\n1. Cut"),
        ("Steps:\n", "\n\n1. Cut", "Steps:\n\n1. Cut"),
        ("Steps: ", " one", "Steps: one"),
        ("Steps", " one", "Steps one"),
        ("Steps: ", "one", "Steps: one"),
        ("Steps: ", "", "Steps: "),
    ],
)
def test_white_space_at_a_seam_comes_once(text, continuation, whole, size):
    spaces = Spaces(text)
    said = "".join(spaces.feed(piece) for piece in cut(continuation, size)) + spaces.rest()

    assert text + said == whole
