"""The texts that shall be tokens."""

import pytest

from training.book import Text, read
from training.wrong import Wrong


def test_texts_without_a_number_get_the_next_that_none_has():
    texts = read([
        b'{"phrase": "one"}',
        b"",
        '{"phrase": "two", "delta": "Δ1"}'.encode(),
        b'{"phrase": "three"}',
    ])
    assert [(text.phrase, text.surface) for text in texts] == [
        ("one", "<|Δ2|>"),
        ("two", "<|Δ1|>"),
        ("three", "<|Δ3|>"),
    ]
    assert texts[1] == Text("two", "Δ1")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "no texts"),
        ([b"{"], "line 1: "),
        ([b'{"phrase": "a"}', b'{"phrase": 1}'], "line 2: "),
        ([b'{"phrase": "a", "colour": 1}'], "line 1: .*colour"),
        ([b'{"phrase": "a"}', b'{"phrase": "a"}'], "line 2: line 1 has the same phrase"),
        ([b'{"phrase": "a", "delta": "14"}'], "line 1: delta must be Δ and up to six digits, not '14'"),
        (['{"phrase": "a", "delta": "Δ1234567"}'.encode()], "up to six digits"),
        ([b'{"phrase": "\xff"}'], "line 1: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(lines: list[bytes], said: str):
    with pytest.raises(Wrong, match=said):
        read(lines)
