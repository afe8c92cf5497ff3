"""Tokens are counted as model families count them."""

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.tokens import SLICE, Exact
from scenes.vocabulary import Vocabulary
from tests.scenes.bounds import LINEAR_SECONDS
from tests.support.vocabularies import FAMILIES, vocabularies

DOOR = "он стоял у двери, не решаясь войти"
PUBLISHED = {"qwen": 15, "cl100k": 18, "o200k": 11, "deepseek": 13, "mistral": 13}
"""Of the phrase, measured with the families' own tools."""
NUMBERS = "2026-12-01 price 1234567"
CUT = {"qwen": 19, "mistral": 19, "cl100k": 11, "o200k": 11, "llama": 11, "deepseek": 11}


def bytewise(pattern: str = r"\S+|\s+", *, composed: bool = False) -> Exact:
    """A vocabulary of bytes alone."""
    return Exact(Vocabulary("bytes", pattern, {bytes((byte,)): byte for byte in range(256)}, composed))


@pytest.mark.parametrize("family", PUBLISHED)
def test_a_phrase_has_the_tokens_that_the_familys_own_tokenizer_gives_it(family: str):
    assert vocabularies().exact(family).count(DOOR) == PUBLISHED[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_numbers_are_cut_as_the_family_cuts_them(family: str):
    counter = vocabularies().exact(family)

    assert counter.name == family
    assert counter.count(NUMBERS) == CUT[family]


@pytest.mark.parametrize("family", FAMILIES)
@given(text=st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_has_at_most_a_token_a_byte_and_at_least_one(family: str, text: str):
    counted = vocabularies().exact(family).count(text)

    composed = unicodedata.normalize("NFC", text)
    assert (
        bool(text)
        <= counted
        <= max(len(each.encode("utf-8", "replace")) for each in (text, composed)) + 2 * len(text)
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_in_parts_has_the_tokens_of_the_whole(family: str):
    counter = vocabularies().exact(family)
    line = "Mar  9 06:14:03 bastion sshd[27545]: Failed password for root from 203.0.7.63 port 42603\n"
    once = counter.count(line)

    assert counter.count(line * 2_000) == 2_000 * once
    assert len(line) * 2_000 > 4 * SLICE


@pytest.mark.parametrize("text", [" ", "\n", "[", "a", "1", "\u3000", "é", "😀", "\x00", "§", " \n"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_million_of_one_character_take_no_second(family: str, text: str):
    counter = vocabularies().exact(family)

    began = time.process_time()
    assert counter.count(text * 1_000_000) > 0
    assert time.process_time() - began < LINEAR_SECONDS


@pytest.mark.parametrize("family", FAMILIES)
def test_what_stands_for_a_special_token_is_text(family: str):
    counter = vocabularies().exact(family)

    assert all(
        counter.count(special) > 1 for special in ("<|endoftext|>", "<|im_start|>", "<｜end▁of▁sentence｜>")
    )


def test_half_a_character_is_counted_as_what_stands_for_it():
    assert bytewise().count("a\ud800") == len("a\ufffd".encode())


def test_a_family_that_composes_characters_counts_them_composed():
    assert bytewise(composed=True).count("e\u0301") == len("é".encode())
    assert bytewise().count("e\u0301") == len("e\u0301".encode())
