"""Texts that a model reads as one token each."""

import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes.hypertokens import SURFACE, Hypertoken, Hypertokens, InvalidHypertokens, same_letter

DESK = "The desk waits below the level, and nobody wants to be the first."
DOOR = "Порог и тишина: рынок стоит у уровня без объёма.\nКто войдёт первым, платит."
BOOK = Hypertokens(
    "desk",
    1,
    "0" * 64,
    (
        Hypertoken("<|Δ14|>", 1942, DESK, 15, "Δ14", "quiet-threshold", "archetype"),
        Hypertoken("<|Δ145|>", 1943, DOOR, 30, "Δ145"),
        Hypertoken("<|Δ1|>", 1944, DESK + " The stop is far.", 20, "Δ1"),
    ),
)

PIECES = st.sampled_from([
    DESK,
    DOOR,
    DESK + " The stop is far.",
    " ",
    "\n",
    "Δ14",
    "<|∆14|>",
    "<|",
    "|>",
    "stop 1.27",
    "§",
])
TEXTS = st.lists(PIECES | st.text(max_size=20), max_size=12).map("".join)


def test_a_whole_text_becomes_one_token_and_comes_back() -> None:
    said = f"Before:\n{DESK}\n{DOOR}\nNow gold is at 2411.5."
    coded = BOOK.encode(said)
    assert coded == "Before:\n<|Δ14|>\n<|Δ145|>\nNow gold is at 2411.5."
    assert BOOK.decode(coded) == said


def test_of_two_texts_that_begin_alike_the_longer_one_is_taken() -> None:
    assert BOOK.encode(DESK + " The stop is far.") == "<|Δ1|>"


def test_a_text_within_a_word_or_a_block_of_code_stays() -> None:
    for text in (f"({DESK})", f"```\n{DESK}\n```"):
        assert BOOK.encode(text) == text


def test_a_text_that_has_a_surface_already_stays_as_it_is() -> None:
    said = f"What does <|Δ14|> mean? {DESK}"
    assert BOOK.encode(said) == said


@given(TEXTS.filter(lambda text: "<|Δ" not in text))
def test_what_is_encoded_comes_back_to_the_character(text: str) -> None:
    coded = BOOK.encode(text)
    assert BOOK.decode(coded) == text
    assert BOOK.encode(coded) == coded


@given(st.lists(PIECES, max_size=6), st.lists(PIECES, max_size=6))
def test_lines_are_encoded_each_by_itself(first: list[str], second: list[str]) -> None:
    one, other = "".join(first), "".join(second)
    if not any(text.count("```") or "<|Δ" in text for text in (one, other)):
        assert BOOK.encode(f"{one}\n\n{other}") == f"{BOOK.encode(one)}\n\n{BOOK.encode(other)}"


def test_a_surface_of_nobody_stays() -> None:
    assert BOOK.decode("<|Δ7|> and <|Δ14") == "<|Δ7|> and <|Δ14"


@pytest.mark.parametrize("letter", ["∆", "δ"])
def test_a_letter_that_looks_like_delta_is_one_within_a_surface_alone(letter: str) -> None:
    assert same_letter(f"<|{letter}14|> {letter}14 <|{letter}|>") == f"<|Δ14|> {letter}14 <|{letter}|>"


def test_a_book_is_read_as_it_was_written() -> None:
    again = Hypertokens.from_json(BOOK.to_json())
    assert again == BOOK
    assert again.digest == BOOK.digest
    assert all(SURFACE.fullmatch(token) for token in again.phrases)


def test_a_book_that_was_changed_is_refused_by_its_digest() -> None:
    document = json.loads(BOOK.to_json())
    document["entries"][0]["phrase"] = "Something else."
    with pytest.raises(InvalidHypertokens, match="changed after it was written"):
        Hypertokens.from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"token": "Δ14"}, r"entries\[1\].token: <|Δ, up to six digits"),
        ({"token": "<|Δ14|>"}, r"entries\[1\]: another entry has its token"),
        ({"id": 1942}, r"entries\[1\]: another entry has its token, or its id"),
        ({"phrase": DESK}, r"entries\[1\].phrase: another entry has it"),
        ({"phrase": ""}, r"phrase: has from 1"),
        ({"phrase": " at its edge"}, r"phrase: begins and ends with a word"),
        ({"phrase": "one <|Δ3|> two"}, r"phrase: has no surface"),
        ({"phrase": "bell\x07 rings"}, r"phrase: has no control characters"),
        ({"phrase": "half \ud800 one"}, r"phrase: has no control characters"),
    ],
)
def test_a_book_that_breaks_a_rule_is_refused_with_the_place(change: dict[str, object], said: str) -> None:
    wrong = msgspec.structs.replace(BOOK.entries[1], **change)
    with pytest.raises(InvalidHypertokens, match=said):
        replace(BOOK, entries=(BOOK.entries[0], wrong))


@pytest.mark.parametrize("document", [b"", b"[]", b'{"schema":"hb.codebook/1"}', b"\xff", '{"id":"\ud800"}'])
def test_what_is_no_book_is_refused(document: bytes | str) -> None:
    with pytest.raises(InvalidHypertokens, match="no hypertokens in JSON"):
        Hypertokens.from_json(document)
