"""Vectors of texts by the vectors of their tokens."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes.focus import chosen
from scenes.meaning import Meaning, joined
from scenes.pieces import Turn
from scenes.remembering import Message, Plan, Remembering
from tests.support.static_vectors import meaning

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def likeness(question: str, *texts: str) -> list[float]:
    asked, *told = meaning().vectors([question, *texts])
    return [float(each @ asked) for each in told]


def vocabulary(pieces: list[str]) -> bytes:
    vocab = {piece: number for number, piece in enumerate([*BYTES, *pieces])}
    return json.dumps({"model": {"type": "BPE", "vocab": vocab, "merges": []}}).encode()


def test_what_means_the_same_in_other_words_is_nearer_than_what_does_not():
    same, other = likeness(
        "When does the ship leave the harbour?",
        "The vessel departs from port at nine.",
        "The cake needs three eggs.",
    )
    assert same > other + 0.2


@given(st.lists(st.text(max_size=200), max_size=5))
def test_every_text_has_a_vector_of_length_one_or_none(texts: list[str]):
    found = meaning().vectors(texts)
    assert found.shape == (len(texts), meaning().dimensions)
    lengths = np.linalg.norm(found, axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-3) | (lengths == 0))
    assert np.isfinite(found).all()


def test_a_text_has_the_same_vector_whatever_stands_beside_it():
    alone, beside = meaning().vectors(["Gold fell."])[0], meaning().vectors(["Silver rose.", "Gold fell."])[1]
    assert np.array_equal(alone, beside)


def test_a_long_text_is_read_as_far_as_its_bound():
    long = "The harbour is closed. " * 400
    assert np.array_equal(*meaning().vectors([long, long + "Something else."]))


def test_a_text_without_a_token_is_near_nothing():
    assert not meaning().vectors(["", " \n"]).any()


def test_a_piece_counts_with_its_own_row_and_what_is_none_with_its_bytes():
    table = np.zeros((258, 2), np.float16)
    table[256], table[257] = (1, 0), (0, 1)
    small = Meaning.of("small", vocabulary(["▁a", "▁ab"]), table)
    assert small.vectors(["a", "ab"]).tolist() == [[1, 0], [0, 1]]
    table[0xC3] = (-1, 0)
    assert Meaning.of("small", vocabulary(["▁a", "▁ab"]), table).vectors(["é"]).tolist() == [[-1, 0]]


@pytest.mark.parametrize(
    ("tokenizer", "rows", "said"),
    [
        (b"{", 300, "not of its format"),
        (b'{"model":{"vocab":{"a":0}}}', 300, "no piece '<0x00>'"),
        (vocabulary(["▁a"]), 100, "fewer than the tokens"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tokenizer: bytes, rows: int, said: str):
    with pytest.raises(ValueError, match=said):
        Meaning.of("small", tokenizer, np.zeros((rows, 2), np.float16))


def test_rows_are_joined_where_there_are_some():
    rows = np.ones((1, 2), np.float32)
    assert joined(None, None) is None
    assert joined(rows, None) is rows
    both = joined(rows, rows)
    assert both is not None
    assert both.shape == (2, 2)


PASSAGES = [
    "Bread is baked in the early morning.",
    "A tax on sugar was decided on in May.",
    "Sailors find their way at sea by the stars.",
    "The committee meets on the second floor.",
]


def test_a_passage_that_shares_no_word_with_the_question_is_kept_for_its_meaning():
    assert list(chosen("ship navigation", PASSAGES, 12).places) == [0]
    assert list(chosen("ship navigation", PASSAGES, 12, meaning()).places) == [2]


def user(text: str) -> Message:
    return Message(Turn("user", "user", text), may_begin=True)


TOPICS = [
    "The piano in the hall was tuned on Monday, and sounds bright again.",
    "Our accountant sends the invoices at the end of each quarter.",
    "The vessel will depart from port on Friday at nine in the morning.",
    "Grandmother bakes apple cake with cinnamon and raisins.",
    "The server in the cellar needs another disk for its logs.",
    "Nobody has watered the tomatoes behind the house since Sunday.",
    "The lawyer wants a copy of the contract with both signatures.",
    "It has been snowing in the mountains for three days.",
    "The striker was sold to another football club for millions.",
    "My neighbour's dog barks whenever the postman comes.",
]
ASKED = "When does our ship leave the harbour?"
PLAN = Plan(keep=60, step=120, recall=160)


def begun() -> list[Message]:
    """Each subject is long enough to be a scene by itself."""
    return [user(" ".join([text] * 6)) for text in TOPICS]


def recalled(question: str, by: Meaning | None) -> str:
    """What comes back beneath a question at the end of a conversation."""
    messages = [*begun(), user(question)]
    return Remembering(PLAN, meaning=by).said(messages).recalled.get(len(messages) - 1, "")


def test_a_scene_comes_back_for_a_question_in_other_words():
    assert recalled(ASKED, None) == ""
    assert "The vessel will depart" in recalled(ASKED, meaning())


def test_a_question_about_something_else_brings_nothing_back_by_its_meaning():
    assert recalled("Write a haiku, please?", meaning()) == ""


def test_what_came_back_stays_the_same_in_later_turns():
    remembering = Remembering(PLAN, meaning=meaning())
    asked = [*begun(), user(ASKED)]
    place = len(asked) - 1
    first = remembering.said(asked).recalled[place]
    later = remembering.said([*asked, user("And the contract?")])
    anew = Remembering(PLAN, meaning=meaning()).said([*asked, user("And the contract?")])
    assert later.recalled[place] == anew.recalled[place] == first
