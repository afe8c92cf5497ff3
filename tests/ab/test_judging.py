"""When an answer is right."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ab.judging import form, is_right, number_of
from app.ab.question import KINDS, Kind, Question


def question(kind: Kind, answer: Any) -> Question:
    return Question("q", "part", [], answer, kind)


@pytest.mark.parametrize(
    ("kind", "answer", "said"),
    [
        ("exact", "Gate B12", "gate  b12"),
        ("exact", "Gate B12", '"Gate B12."'),
        ("exact", "Gate B12", "I looked it up.\n\n**Answer: Gate B12**\n"),
        ("exact", "2026-03-09 06:14:03", "`2026-03-09 06:14:03`"),
        ("exact", "Malmö", "Malmo\u0308"),
        ("number", 1234, "1,234"),
        ("number", 12.4, "The price is 12.40 EUR."),
        ("number", -3, "\N{MINUS SIGN}3"),
        ("number", 502, "Let me count: 1, 2, 3.\n502"),
        ("number", "7", "7 (seven), so 7"),
        ("json", {"a": 1, "b": [True, None]}, 'Here:\n```json\n{"b": [true, null], "a": 1.0}\n```'),
        ("json", [], " [] "),
        ("one_of", ["HB1", "HB2"], "hb2"),
    ],
)
def test_is_right(kind, answer, said):
    assert is_right(question(kind, answer), said)


@pytest.mark.parametrize(
    ("kind", "answer", "said"),
    [
        ("exact", "Gate B12", "Gate B1"),
        ("exact", "Gate B12", "It is not Gate B12"),
        ("exact", "B12", ""),
        ("number", 12, "12 or 13"),
        ("number", 12, "twelve"),
        ("number", 12, "req-12ab"),
        ("number", 10, "10-12"),
        ("number", 2026, "2026-03-09"),
        ("number", 12.4, "12.41"),
        ("number", 1234, "1,23,4"),
        ("json", {"a": 1}, '{"a": true}'),
        ("json", {"a": 1}, '{"a": 1, "b": 2}'),
        ("json", {"a": 1}, "a is 1"),
        ("json", None, "nothing"),
        ("one_of", ["HB1", "HB2"], "HB3"),
    ],
)
def test_is_wrong(kind, answer, said):
    assert not is_right(question(kind, answer), said)


def test_a_number_may_be_off_by_as_much_as_is_tolerated():
    assert is_right(question("number", 100), "100.5", tolerance=0.5)
    assert not is_right(question("number", 100), "100.6", tolerance=0.5)


def test_two_answers_that_say_the_same_have_one_form_right_or_wrong():
    assert form(question("number", 1), "It is 12.0") == form(question("number", 1), "12")
    assert form(question("json", 1), '{"a":1,"b":2}') == form(question("json", 1), '{"b": 2, "a": 1}')
    assert form(question("exact", "x"), "Answer: Oslo.") == form(question("exact", "x"), "oslo")


@given(st.text(), st.sampled_from(KINDS))
def test_no_answer_breaks_the_judge(said, kind):
    answer: Any = {"exact": "a", "number": 1, "json": {}, "one_of": ["a"]}[kind]

    assert is_right(question(kind, answer), said) in {True, False}
    assert form(question(kind, answer), said) is not None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_every_number_is_read_as_it_was_written(number):
    assert number_of(f"= {number}") == number
    assert number_of(f"{number:,}") == number


def test_a_megabyte_of_an_answer_takes_no_time():
    began = time.perf_counter()
    for said in ("1," * 500_000, "1a" * 500_000, "[" * 1_000_000, "9" * 1_000_000, "```\n" * 250_000):
        for kind in KINDS:
            answer: Any = {"exact": "a", "number": 1, "json": {}, "one_of": ["a"]}[kind]
            is_right(question(kind, answer), said)

    assert time.perf_counter() - began < 2
