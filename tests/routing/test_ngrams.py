import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routing.ngrams import BITS, FAMILIES, HEAD, ORDERS, TAIL, grams, normal
from tests.support.process import printed

FRAME = FAMILIES.index("frame")
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too


@given(ANY_TEXT)
def test_any_text_is_made_of_something_and_every_bucket_has_its_span(text: str):
    made = grams(text)

    assert len(list(made.spans())) == len(made.keys) == sum(made.counts)
    assert made.keys.max() < len(FAMILIES) * 2**BITS
    assert list(made.distinct()) == sorted(set(made.keys.tolist()))


@given(st.text(st.sampled_from("abc déя漢 \n.'_"), max_size=40))
def test_the_same_span_of_a_family_has_the_same_bucket_wherever_it_stands(text: str):
    made = grams(text)
    spans = list(made.spans())

    found: dict[tuple[str, int], int] = {}
    for span, key in zip(spans, made.keys.tolist(), strict=True):
        family = key >> BITS
        assert family == FRAME or found.setdefault((span, family), key) == key


def test_words_pairs_and_runs_of_characters_are_found():
    made = grams("Max drawdown?")
    spans = list(made.spans())

    assert spans[:7] == ["max", "drawdown", "max drawdown", " max", " max drawdown", "n? ", ""]
    assert {" max", "max ", "draw", "wn? "} <= set(spans[7:])
    assert list(made.counts[:3]) == [2, 1, 4]


def test_letters_of_either_case_and_all_white_space_count_alike():
    assert np.array_equal(grams("Sharpe\n\tRatio").keys, grams("sharpe ratio").keys)


def test_a_number_counts_as_a_number_whatever_its_digits():
    assert np.array_equal(grams("risk 1.37%").keys, grams("risk 2.05%").keys)
    assert not np.array_equal(grams("risk 1.37%").keys, grams("risk 12.05%").keys)


@pytest.mark.parametrize(
    "text", ["x" * 10_000_000, " " * 10_000_000, "ﷺ ß" * 3_000_000, "\ud800\0" * 5_000_000]
)
def test_of_ten_million_characters_the_first_and_the_last_are_read(text: str):
    made = grams(text)

    assert len(made.text) <= HEAD + TAIL + 3
    assert len(made.keys) < (len(ORDERS) + 3) * (HEAD + TAIL + 3)


def test_what_a_long_text_wants_is_seen_at_its_end_as_well():
    assert "sharpe" in normal("log line\n" * 10_000 + "Compute the Sharpe ratio")


def test_buckets_are_the_same_in_every_process():
    program = "from app.routing.ngrams import grams; print(grams('Просадка of 12 %').keys.tolist())"

    assert printed(program) == {f"{grams('Просадка of 12 %').keys.tolist()}\n"}


def test_few_different_ngrams_share_a_bucket():
    words = [
        f"w{chr(97 + a)}{chr(97 + b)}{chr(97 + c)}" for a in range(26) for b in range(26) for c in range(26)
    ]
    buckets = {int(grams(word).keys[0]) for word in words}

    assert len(buckets) > 0.96 * len(words)
