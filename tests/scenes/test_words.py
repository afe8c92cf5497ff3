"""The words that texts are found by."""

from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from scenes.words import LONGEST, asked, counted


def test_words_are_counted_in_one_case_by_their_roots():
    assert counted("The Cats and the cat's cat; don't.") == {
        "the": 2,
        "cats": 1,
        "and": 1,
        "cat": 2,
        "s": 1,
        "don": 1,
        "t": 1,
    }
    assert counted("flights flight") == {"fligh": 2}


def test_a_number_or_a_name_with_one_stays_whole():
    assert counted("1234567 AB123456") == {"1234567": 1, "ab123456": 1}


def test_forms_of_a_word_share_its_root():
    for one, other in (("рейсами", "рейсах"), ("cancelled", "cancellation"), ("Übertragung", "übertragen")):
        assert counted(one).keys() & counted(other).keys()


def test_what_is_written_without_spaces_is_told_in_pairs():
    assert counted("会議は") == {"会議": 1, "議は": 1}
    assert counted("会") == {"会": 1}


def test_marks_belong_to_their_word():
    assert counted("हिन्दी में") == {"हिन्द": 1, "में": 1}
    assert counted("cafe\u0301") == counted("café")


def test_names_with_lines_below_are_several_words():
    assert counted("read_only_mode") == counted("read only mode")


def test_a_question_is_asked_with_its_telling_words_the_longest_first():
    assert asked("What is the temperature of the reactor, because of 5?", 3) == ["tempe", "react", "5"]
    assert "5" in asked("gate 5", 10)
    assert asked("what about this", 10) == ["about", "what", "this"]
    assert asked("", 10) == []


@given(st.text())
def test_any_text_has_words_within_their_bound(text):
    for word in counted(text):
        assert 0 < len(word) <= LONGEST
        assert not word.isspace()


def test_a_megabyte_of_anything_takes_less_than_a_second():
    for text in ("x" * 10**6, "a " * 500_000, "会" * 300_000, "\u0301" * 10**6, "_" * 10**6, "١" * 10**6):
        begin = process_time()
        counted(text)
        assert process_time() - begin < 2, "it is below 0.5 seconds on a machine with nothing else to do"
