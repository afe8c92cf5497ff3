"""Vectors as an upstream answers them: read in the order of the texts, or refused with a reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.vectors import asked, read

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def answer(*vectors: object, first: int = 0) -> bytes:
    data = [
        {"object": "embedding", "index": place, "embedding": each}
        for place, each in enumerate(vectors, first)
    ]
    return json.dumps({"object": "list", "data": data, "usage": {"prompt_tokens": 1}}).encode()


@given(
    st.integers(1, 8).flatmap(
        lambda length: st.lists(st.lists(FLOATS, min_size=length, max_size=length), min_size=1)
    )
)
def test_vectors_are_read_as_they_were_written(vectors: list[list[float]]):
    assert [list(each) for each in read(answer(*vectors), len(vectors))] == vectors


def test_the_order_is_that_of_the_texts_however_the_answer_has_it():
    body = json.loads(answer([1, 2], [3, 4]))
    body["data"].reverse()

    assert [list(each) for each in read(json.dumps(body).encode(), 2)] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "holds no vectors"),
        (b"[]", "holds no vectors"),
        (b'{"deep": ' + b"[" * 100_000, "holds no vectors"),
        (b'{"data": [{"embedding": "AAAA", "index": 0}]}', "holds no vectors"),
        (answer(), "0 vectors for 2 texts"),
        (answer([1.0]), "1 vectors for 2 texts"),
        (answer([1.0], [2.0], first=1), "2 vectors for 2 texts"),
        (answer([1.0], [2.0, 3.0]), "not all of one length"),
        (answer([], []), "not all of one length"),
        (answer([1.0], [1e300]), "no 32-bit float"),
    ],
)
def test_what_holds_no_vectors_is_refused_with_the_reason(body: bytes, reason: str):
    with pytest.raises(ValueError, match=reason):
        read(body, 2)


def test_a_length_is_asked_for_only_where_one_is_wanted():
    assert json.loads(asked("m", ["a"])) == {"model": "m", "input": ["a"]}
    assert json.loads(asked("m", ["a"], 256)) == {"model": "m", "input": ["a"], "dimensions": 256}
