"""Spaces between tokens go, and nothing else."""

import re
from random import Random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.contracts import Form
from scenes.fold.json_text import JsonText, minify
from tests.scenes.fold.documents import DOCUMENTS

FORM: Form = JsonText()
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^"\s{}\[\]:,]+|\S|\n')


@pytest.mark.parametrize(
    ("text", "compact"),
    [
        ('{ "a" : 1.0,\n\t"b": 1E+2 }\r\n', '{"a":1.0,"b":1E+2}'),
        ("[ 12345678901234567890123, -0, 1e999, 1.50 ]", "[12345678901234567890123,-0,1e999,1.50]"),
        ('{"a": 1, "a": 2, "é": "\\u00e9\\/ x"}', '{"a":1,"a":2,"é":"\\u00e9\\/ x"}'),
        ('{"a": " [ 1, 2 ] "}', '{"a":" [ 1, 2 ] "}'),
    ],
)
def test_each_token_stays_as_it_was_written(text: str, compact: str) -> None:
    assert minify(text) == compact
    assert FORM.fold(text) == FORM.canonical(text) == compact
    assert FORM.unfold(compact) == compact


def test_lines_of_json_stay_lines() -> None:
    assert minify('{"a": 1}\n\n[1, 2]\r\n') == '{"a":1}\n\n[1,2]\n'


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "word",
            '"a string"',
            "17",
            "[1,]",
            "[1] x",
            "{'a': 1}",
            "[01]",
            "[NaN]",
            "[Infinity]",
            '{"a" 1}',
        ),
        *(
            '["\\ud800"]',
            '["\ud800"]',
            '["a\nb"]',
            '["\\x"]',
            "\ufeff[1]",
            "[1\xa0]",
            '{"a": 1}\n17',
            '{"a": 1}\nword',
        ),
        "[2026-11-22 10:00:00] GET /",
    ],
)
def test_what_is_no_json_stays_as_it_is(text: str) -> None:
    assert minify(text) is None
    assert FORM.fold(text) is None
    assert FORM.canonical(text) == text


def test_compact_json_is_left_alone() -> None:
    assert FORM.fold('{"a":1}') is None


@settings(max_examples=500, deadline=None)
@given(DOCUMENTS, st.integers(0, 2**32))
def test_spaces_between_any_tokens_go_again(text: str, seed: int) -> None:
    random = Random(seed)
    compact = text.removesuffix("\n")
    between = (" ", "  ", "\t", "\r") if "\n" in compact else (" ", "\n", "\r\n  ", "\t")
    spaced = "".join(
        part for token in TOKEN.findall(compact) for part in (token, random.choice((*between, "", "")))
    )
    assert minify(compact) == compact
    assert minify(spaced) == compact


@pytest.mark.parametrize(
    "text", ["[" * 1_000_000, '{"a":' * 200_000, "[\n" * 500_000, '["' + "\\\\" * 500_000, "{}\n" * 300_000]
)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    began = process_time()
    FORM.fold(text)
    assert process_time() - began < 1
