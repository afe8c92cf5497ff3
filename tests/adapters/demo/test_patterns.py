import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.demo.patterns import NotSimple, match

LITERALS = st.sampled_from([
    "a",
    "Z",
    "7",
    "-",
    "_",
    r"\.",
    r"\-",
    r"\d",
    r"\w",
    r"\s",
    "[a-f]",
    "[^a-z]",
    "[A-Z0-9_]",
    ".",
])
QUANTIFIERS = st.sampled_from(["", "", "?", "*", "+", "{2}", "{1,3}", "{2,}"])
ATOMS = st.builds("".join, st.tuples(LITERALS, QUANTIFIERS))
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.builds(
            lambda parts, quantifier: f"({'|'.join(parts)}){quantifier}",
            st.lists(inner, min_size=1, max_size=3),
            QUANTIFIERS,
        ),
    ),
    max_leaves=8,
)


@given(PATTERNS, st.integers(0, 3))
def test_what_is_made_matches_the_whole_pattern(pattern: str, turn: int):
    try:
        made = match(f"^{pattern}$", turn=turn)
    except NotSimple:
        return  # longer than an answer should be
    assert re.fullmatch(pattern, made)


@given(st.text(alphabet=r"ab01^$.*+?{}[]()|\-,:<>=!dwsP", max_size=30))
def test_no_pattern_breaks_it(pattern: str):
    try:
        made = match(pattern)
        python = re.compile(pattern)
    except (NotSimple, re.error):  # `[^]` and the like are patterns in JSON Schema's dialect alone
        return
    assert python.search(made)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{3}-\d{4}$",
        r"^\+?[1-9]\d{1,14}$",
        r"^#(?:[0-9a-f]{3}){1,2}$",
        r"^[\w.+-]+@[\w-]+\.[a-z]{2,}$",
        "^(foo|bar)$",
        "",
    ],
)
def test_everyday_patterns_are_followed(pattern: str):
    assert re.search(pattern, match(pattern))


@pytest.mark.parametrize(
    "pattern", ["^(?!x)a", r"(a)\1", r"\bword", "(?i)a", "x(^a)", "a$b", "(", "[", "a{9999}", "a" * 600]
)
def test_what_is_not_simple_is_refused(pattern: str):
    with pytest.raises(NotSimple):
        match(pattern)


def test_a_match_has_the_length_that_is_wanted():
    assert len(match("^[ab]+$", 40, 40)) == 40
    assert len(match("^[ab]*$", 0, 0)) == 0
    with pytest.raises(NotSimple):
        match("^a{3}$", 4, 9)


def test_another_turn_makes_another_match():
    assert len({match(r"^\d{3}$", turn=turn) for turn in range(5)}) == 5
