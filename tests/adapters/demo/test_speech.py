import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.demo import tokens
from adapters.demo.speech import Heard, answer, thought


def test_it_says_what_it_is_and_repeats_the_message():
    said = answer(Heard("Hello there, gateway"))
    assert "HyperBridge's offline demo upstream" in said
    assert "no language model" in said
    assert (
        f'You wrote 3 words ({tokens.count("Hello there, gateway")} tokens): "Hello there, gateway"' in said
    )
    assert "hyperbridge.yaml" in said


def test_a_long_message_is_quoted_by_its_beginning():
    said = answer(Heard("word " * 1000))
    assert "You wrote 1000 words" in said
    assert "word word…" in said
    assert len(said) < 800


def test_russian_is_answered_in_russian():
    assert "языковой модели за ним нет" in answer(Heard("Привет, кто ты такой?"))
    assert "language model" in answer(Heard("What does the word привет mean in English?"))


@pytest.mark.parametrize(("ping", "pong"), [("ping", "pong"), (" Ping! ", "pong"), ("пинг", "понг")])
def test_ping_is_answered_with_pong(ping: str, pong: str):
    assert answer(Heard(ping)) == pong


def test_a_sum_is_answered():
    assert answer(Heard("2 + 2 * 3")).startswith("2 + 2 * 3 = 8.")


def test_what_is_attached_is_mentioned():
    assert "1 image and 2 recordings" in answer(Heard("Look", images=1, audios=2))
    assert "изображений: 2" in answer(Heard("Посмотри", images=2))


def test_a_tools_answer_is_quoted():
    assert answer(Heard("weather?", result="sunny, 21")).startswith('The tool answered: "sunny, 21".')


def test_only_the_hint_differs_between_choices():
    said = {answer(Heard("Hello"), variant) for variant in range(3)}
    assert len(said) == 3


def test_more_effort_makes_more_thoughts():
    thoughts = [thought(Heard("Hello"), effort) for effort in ("none", "low", "medium", "high")]
    assert not thoughts[0]
    assert [len(one) for one in thoughts] == sorted(len(one) for one in thoughts)


@given(st.text(), st.integers(0, 9))
def test_it_has_an_answer_to_everything_and_always_the_same(text: str, variant: int):
    assert answer(Heard(text), variant)
    assert answer(Heard(text), variant) == answer(Heard(text), variant)
