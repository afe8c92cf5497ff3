from datetime import UTC, datetime
from typing import Any

import pytest

from app import config
from app.contracts import Caller
from app.routing.features import Features
from app.routing.rules import Rule, rules

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOTHING = Features()
QUANT = Caller("quant", metadata={"team": "quant", "floor": "3"})


def fits(seen: Features = NOTHING, caller: Caller = QUANT, now: datetime = NOON, **when: Any) -> bool:
    rule = config.ModeRule(mode="m", when=config.When(**when))
    return Rule.of(0, rule).fits(seen, caller, now)


@pytest.mark.parametrize(
    ("when", "seen"),
    [
        ({"images": True}, Features(images=1)),
        ({"tools": True}, Features(tools=True)),
        ({"structured": True}, Features(structured=True)),
        ({"code": True}, Features(code=True)),
        ({"languages": ("ru", "uk")}, Features(language="ru")),
        ({"least_tokens": 100}, Features(prompt_tokens=100)),
        ({"keywords": ("sharpe ratio", "VaR")}, Features(text="what is the Sharpe Ratio?")),
    ],
)
def test_a_rule_fits_what_it_asks_for_and_nothing_else(when, seen):
    assert fits(seen, **when)
    assert not fits(Features(), **when)


def test_all_that_a_rule_asks_for_must_be_true():
    assert fits(Features(images=1, language="ru"), images=True, languages=("ru",))
    assert not fits(Features(images=1, language="en"), images=True, languages=("ru",))


def test_false_asks_that_it_is_not_so():
    assert fits(Features(), images=False)
    assert not fits(Features(images=1), images=False)


@pytest.mark.parametrize("text", ["variance", "overvar", "переVaR"])
def test_a_keyword_is_a_whole_word(text):
    assert not fits(Features(text=text), keywords=("var",))


@pytest.mark.parametrize("text", ["Какой VaR у портфеля?", "var: 5%", "(VAR)"])
def test_a_keyword_is_found_whatever_its_case_and_its_neighbours(text):
    assert fits(Features(text=text), keywords=("var",))


def test_a_rule_may_be_for_some_keys_and_for_what_is_noted_beside_them():
    assert fits(keys=("quant",))
    assert not fits(keys=("other",))
    assert fits(metadata={"team": "quant"})
    assert not fits(metadata={"team": "quant", "floor": "4"})


@pytest.mark.parametrize(
    ("hours", "hour", "true"),
    [
        ("9-17", 9, True),
        ("9-17", 17, False),
        ("22-6", 23, True),
        ("22-6", 5, True),
        ("22-6", 6, False),
        ("0-24", 0, True),
    ],
)
def test_hours_may_lie_around_midnight(hours, hour, true):
    assert fits(now=NOON.replace(hour=hour), hours=hours) is true


def test_a_rule_is_named_by_its_place_in_the_file():
    assert [rule.name for rule in rules(config.Router())] == ["router.rules[0]", "router.rules[1]"]
