"""Hypertokens in a stream become their texts, whatever the pieces."""

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.hypertokens import SURFACE
from scenes.surfaces import decoder
from tests.scenes.test_decoding import pieces, streamed

PHRASES = {"<|Δ14|>": 'he said "no"\nand left', "<|Δ1|>": "у порога", "<|Δ145|>": "plain"}
ATOMS = (
    *PHRASES,
    "<",
    "|",
    ">",
    "<|",
    "|>",
    "Δ",
    "Δ14",
    "<|Δ",
    "<|Δ14",
    "<|Δ9|>",
    "<|Δ1234567|>",
    "a",
    " ",
    "\n",
    '"',
    "\\",
)


def offline(text: str) -> str:
    return SURFACE.sub(lambda surface: PHRASES.get(surface[0], surface[0]), text)


@settings(max_examples=3000, deadline=None)
@given(st.integers(0, 2**48))
def test_whatever_the_pieces_a_text_is_decoded_as_if_it_had_come_whole(seed: int):
    random = Random(seed)
    text = "x" + "".join(random.choices(ATOMS, k=random.randint(0, 30)))
    assert streamed(decoder(PHRASES), pieces(text, random)) == offline(text)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**48))
def test_json_stays_json_with_what_its_strings_stand_for(seed: int):
    random = Random(seed)
    values = ["".join(random.choices(ATOMS, k=random.randint(0, 8))) for _ in range(3)]
    document = json.dumps({"a": values[0], "b": [values[1], 1.5], "c": {"d": values[2]}}, ensure_ascii=False)
    plain = streamed(decoder(PHRASES), pieces(document, random))
    assert json.loads(plain) == {
        "a": offline(values[0]),
        "b": [offline(values[1]), 1.5],
        "c": {"d": offline(values[2])},
    }


@pytest.mark.parametrize("end", ["<", "<|", "<|Δ", "<|Δ14", "<|Δ123456|"])
def test_what_may_become_one_is_held_back_and_told_at_the_end_but_not_where_the_stream_broke(end: str):
    stream = decoder(PHRASES)
    assert stream.feed(f"a{end}") == "a"
    assert stream.holds
    assert stream.flush() == end
    broken = decoder(PHRASES)
    broken.feed(f"a{end}")
    assert broken.cut() == ""
