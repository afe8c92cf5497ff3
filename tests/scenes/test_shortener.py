"""A part is said in one form, or in codes, or in codes within a form, and comes back from each."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.codebook.adaptive import INNER, Adaptive
from scenes.contracts import MARKER, is_marked
from scenes.forms import FOLDS, Undecodable, decoded
from scenes.kinds import is_code
from scenes.rough import ROUGH
from scenes.shortener import NESTED_LEAST, Least, Shortener
from tests.scenes.fold import printed
from tests.scenes.fold.test_lines import LINES

PACKAGES = "\n".join(
    f"/usr/share/doc/lib{package}/{name}"
    for package in range(60)
    for name in ("changelog.Debian.gz", "copyright", "NEWS.Debian.gz")
)
SEARCH = "\n".join(
    f"src/shop/part{number}.py:{7 * number}:    raise TooManyItems('the basket has no room for another item')"
    for number in range(60)
)
WITHIN = [(form, text) for form in INNER for text in (PACKAGES, SEARCH) if form.fold(text)]
C_TABLE = (
    "static const unsigned char kTable[] = {\n" + "    0x00, 0x17, 0x2a, 0x99, 0x00, 0x17,\n" * 90 + "};"
)
DEFINES = "".join(f"#define SHOP_ITEM_{number} {number * 17}\n" for number in range(90))
METHODS = "".join(
    f"    def item{number}(self):\n        return self.items[{number}]\n\n" for number in range(90)
)
STATES = "".join(f"    {number}: {number * 3 % 4},  # '{number:c}'\n" for number in range(48, 138))
SHELL = "".join(
    f'if test -f part{number}; then\n\techo "part{number} is there"\nfi\n' for number in range(60)
)


def encoder(*, codes: bool = True) -> Shortener:
    return Shortener(FOLDS, ROUGH[1], ROUGH, Least(), codes=codes)


@pytest.mark.parametrize(("form", "text"), WITHIN, ids=lambda each: getattr(each, "name", ""))
def test_codes_within_a_fold_save_more_than_either_and_are_undone_with_it(form, text):
    folded = form.fold(text)
    said = encoder().shorter(text, {})
    assert said is not None
    assert said.form == "codes"
    assert decoded(f"before\n{said.text}\nbehind") == f"before\n{text}\nbehind"
    assert [found[0].split()[0] for found in MARKER.finditer(said.text)] == ["[codes", f"[{form.name}"]
    spared = ROUGH[1].count(folded) - ROUGH[1].count(said.text)
    assert spared >= NESTED_LEAST * ROUGH[1].count(text)
    assert all(phrase in text for phrase in said.codes.values() if " " not in phrase)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_codes_within_a_fold_come_back_with_hostile_lines_in_it(data):
    form, text = data.draw(st.sampled_from(WITHIN))
    lines = text.split("\n")
    for line in data.draw(st.lists(LINES | st.text(st.characters(exclude_characters="\n")), max_size=8)):
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    whole = "\n".join(lines) + data.draw(st.sampled_from(["", "\n", "\n\n"]))
    folded = form.fold(whole)
    coded = None if folded is None else Adaptive().over(folded)
    if coded is not None:
        assert Adaptive().unfold(coded) == decoded(coded) == whole


@pytest.mark.parametrize(
    "inner", ["[find lines=9 x]\n§ab", "[find lines=1 x]\n§ab\n§ab", "[grep lines=1 x]\n7:§ab"]
)
def test_a_block_with_codes_is_refused_where_the_form_within_is_not_what_its_marker_says(inner):
    head = "[codes lines={} legend=1 each §code stands for the phrase after its =]\n§ab=a phrase\n"
    with pytest.raises(Undecodable):
        decoded(head.format(inner.count("\n") + 2) + inner)


def test_a_fold_that_saves_enough_is_not_weighed_against_codes():
    text = printed.log(printed.daemon)
    said, folded = encoder().shorter(text, {}), encoder(codes=False).shorter(text, {})
    assert said == folded


@pytest.mark.parametrize(
    "code", [C_TABLE, DEFINES, METHODS, STATES, SHELL], ids=["table", "defines", "methods", "states", "shell"]
)
def test_a_program_is_left_alone_with_its_tables(code):
    assert is_code(code.split("\n"))
    assert encoder().shorter(code, {}) is None


@pytest.mark.parametrize(
    "lines",
    [
        printed.log(printed.executor),
        printed.listing(),
        PACKAGES,
        "# HELP x y\nx 1\n" * 30,
        "a: b\n  c: d\n" * 30,
    ],
    ids=["log", "listing", "paths", "metrics", "settings"],
)
def test_data_is_no_program(lines):
    assert not is_code(lines.split("\n"))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["[", "ls", "]", "\n", " ", "x", "[ls]", "[table a]", "\r", "[codes", "\u2028"])).map("".join)
)  # fmt: skip
def test_a_marker_is_found_wherever_it_is_a_line(text):
    assert is_marked(text) == (MARKER.search(text) is not None)
