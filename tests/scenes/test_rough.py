"""The counter without a vocabulary: near enough to see whether something is saved."""

import time
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.rough import GROUPS
from bench.texts import tables, texts
from scenes import rough_counting
from scenes.rough import ROUGH, Rough
from tests.scenes.bounds import LINEAR_SECONDS
from tests.support.vocabularies import vocabularies

PARTS = tuple(
    text.content[start : start + 2_000] for text in texts() for start in range(0, len(text.content), 6_000)
)


def of(group: str) -> Rough:
    [found] = [each for each in ROUGH if each.name == f"rough-{group}"]
    return found


@pytest.mark.parametrize(
    ("group", "family"), [(group, each) for group, families in GROUPS.items() for each in families]
)
def test_it_is_near_what_the_family_counts(group: str, family: str):
    exact, counter = vocabularies().exact(family), of(group)

    errors = sorted(abs(counter.count(part) / exact.count(part) - 1) for part in PARTS)

    assert median(errors) < 0.05
    assert errors[len(errors) * 95 // 100] < 0.2


@pytest.mark.parametrize(
    ("group", "family"), [(group, each) for group, families in GROUPS.items() for each in families]
)
def test_it_sees_what_a_way_of_writing_saves(group: str, family: str):
    exact, counter = vocabularies().exact(family), of(group)
    pretty, spaced, compact = tables.packages_pretty(), tables.packages_spaced(), tables.packages_compact()

    for before, after in ((pretty, compact), (spaced, compact), (tables.ticks_json(), tables.ticks_csv())):
        seen = 1 - counter.count(after) / counter.count(before)
        assert abs(seen - (1 - exact.count(after) / exact.count(before))) < 0.1


@given(st.text())
def test_any_text_has_a_number_of_tokens(text: str):
    for counter in ROUGH:
        counted = counter.count(text)
        assert bool(text) <= counted
        assert counter.count(text) == counted


def test_a_million_characters_take_no_more_than_a_pass():
    for text in ("[", " ", "a", "\n", "1", "é", '{"a":1},'):
        began = time.process_time()
        assert ROUGH[0].count(text * (1_000_000 // len(text))) > 0
        assert time.process_time() - began < LINEAR_SECONDS


def test_a_table_of_weights_is_read_as_it_is_written():
    for counter in ROUGH:
        assert rough_counting.weights(counter.table).shape == (rough_counting.FEATURES,)
        assert rough_counting.written(rough_counting.weights(counter.table)).split() == counter.table.split()
