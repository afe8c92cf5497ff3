"""What the comparisons of a name come to."""

import csv
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shadow_report import lines, quantile, reports, table
from app.store.shadows import Comparison, Side

OWN = Side("twin", "old", "ok", 0.2, 1.0, 10, 20, 4_000_000, "stop", 5)
OTHER = replace(OWN, model="new", first_seconds=0.4, output_tokens=10, nano_usd=1_000_000)
ONE = Comparison("a", 0.0, "main", "chat", OWN, OTHER, 0.5)


def test_names_and_shadows_are_told_apart():
    other = replace(ONE, shadow=replace(OTHER, model="newer"))
    found = reports([other, ONE, replace(ONE, alias="first"), ONE])
    assert [(each.model, each.shadow_model, each.calls) for each in found] == [
        ("first", "twin/new", 1),
        ("main", "twin/new", 2),
        ("main", "twin/newer", 1),
    ]


def test_both_sides_are_summed_up():
    failed = replace(
        ONE,
        shadow=replace(OTHER, outcome="upstream_broken", seconds=None, first_seconds=None),
        similarity=None,
    )
    (found,) = reports([ONE, ONE, failed])
    assert (found.own.failures, found.shadow.failures) == (0, 1)
    assert (found.own.first_median_seconds, found.shadow.first_p95_seconds) == (0.2, 0.4)
    assert (found.own.output_tokens, found.shadow.output_tokens) == (60, 30)
    assert found.own.cost_usd == pytest.approx(0.012)
    assert found.similarity_median == 0.5
    assert found.same_finish == 1


def test_costs_are_those_of_calls_whose_price_is_known_on_both_sides():
    unpriced = replace(ONE, shadow=replace(OTHER, nano_usd=None))
    (found,) = reports([ONE, unpriced])
    assert (found.own.cost_usd, found.shadow.cost_usd) == (0.004, 0.001)
    (found,) = reports([unpriced])
    assert (found.own.cost_usd, found.shadow.cost_usd) == (None, None)


def test_shares_are_of_what_can_be_compared():
    judged = [replace(ONE, same_calls=same, same_json=None) for same in (True, True, False, None)]
    (found,) = reports(judged)
    assert found.same_calls == pytest.approx(2 / 3)
    assert found.same_json is None


def test_people_see_the_difference_of_costs():
    (found,) = reports([ONE])
    said = "\n".join(lines(found))
    assert "main, shadowed by twin/new: 1 calls" in said
    assert "-75.0%" in said
    assert "the same JSON           -" in said


def test_a_table_has_a_line_for_each_with_all_that_is_known():
    head, row = csv.reader(table(reports([ONE])).splitlines())
    told = dict(zip(head, row, strict=True))
    assert told["own_cost_usd"] == "0.004"
    assert told["shadow_first_median_seconds"] == "0.4"
    assert told["same_json"] == ""
    assert table([]).splitlines() == [",".join(head)]


@given(st.lists(st.floats(-10, 10), min_size=1), st.floats(0, 1))
def test_a_quantile_is_a_value_that_this_share_does_not_exceed(values, share):
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
