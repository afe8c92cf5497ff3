"""The parts of the forms by lines are inverses of each other, also where a form would not pay and stands aside."""

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.fold import columns, grep, legend, listing, paths, runs
from scenes.fold.template import drawn, units
from tests.scenes.fold.test_lines import LINES, PADDED, STRIPPED

MANY = st.lists(LINES | st.text(st.characters(exclude_characters="\n"), max_size=12), min_size=1, max_size=16)
PATHS = st.lists(st.sampled_from(["", "/", "a", "b", ".", " ", "/a", "a/", "b/", "..", "x"]), max_size=5).map(
    "".join
)
THOROUGH = settings(max_examples=500, deadline=None)


@THOROUGH
@given(lines=MANY)
def test_what_was_found_in_a_path_comes_back(lines):
    assert list(grep.unheaded(grep.headed(list(grep.sections(lines))))) == lines


@THOROUGH
@given(
    lines=st.lists(
        st.tuples(PATHS, st.sampled_from([":7:", "-7-", ":", "::", ":7", "-7"]), LINES).map("".join),
        min_size=1,
    )
)
def test_what_was_found_comes_back_for_any_path(lines):
    assert list(grep.unheaded(grep.headed(list(grep.sections(lines))))) == lines


@THOROUGH
@given(lines=st.lists(PATHS, min_size=1, max_size=20))
def test_paths_come_back(lines):
    assert list(paths.whole(paths.grouped(lines))) == lines


@THOROUGH
@given(lines=MANY, most=st.integers(1, 4))
def test_lines_come_back_from_any_template(lines, most):
    for rows in by_length([units(line) for line in lines]) + by_length([begun(line, most) for line in lines]):
        columns = list(zip(*rows, strict=True))
        template = drawn(columns)
        text = "".join(map("".join, rows))
        sign, placeholder = legend.absent(legend.SIGNS, text), legend.absent(legend.PLACEHOLDERS, text)
        texts = {f"{sign}a": legend.meaning(f"{sign}a={template.legend(placeholder)}", placeholder)[1]}
        told = template.lines(f"{sign}a", columns)
        if any(template.texts):
            assert [legend.in_full(line, sign, texts) for line in told] == list(map("".join, rows))


def begun(line: str, most: int) -> list[str]:
    row = units(line)
    return [*row[:most], "".join(row[most:])] if len(row) > most else []


def by_length(rows: list[list[str]]) -> list[list[list[str]]]:
    return [[row for row in rows if len(row) == length] for length in {len(row) for row in rows} - {0}]


@THOROUGH
@given(text=PADDED | STRIPPED)
def test_a_padded_table_comes_back_from_its_columns(text):
    lines = text.split("\n")
    filled = columns.grid(lines, text)
    found = columns.layouts(filled)
    if filled is None or found is None:
        return
    titles, layout = found
    rows = listing.squeezed(lines[titles:], layout, columns.single(filled[titles:], layout.starts))
    if rows is not None:
        assert [listing.rebuilt(row, layout.places) for row in rows] == lines[titles:]


@THOROUGH
@given(
    lines=st.lists(
        st.sampled_from(["a line that is long", "another that is, too", "", "short"]), max_size=6
    ).flatmap(lambda some: st.lists(st.sampled_from([some, some, some[:2], ["end"]]), max_size=12))
)
def test_repetitions_come_back(lines):
    told = [line for some in lines for line in some]
    assert "\n".join(runs.repeated(runs.noted(told))).split("\n") == (told or [""])


def test_a_repetition_of_blank_lines_takes_no_more_memory_than_its_characters():
    tracemalloc.start()
    try:
        runs.Runs().unfold("[runs lines=2 (n more) repeats what is above it n times]\n\n(15999990 more)")
        assert tracemalloc.get_traced_memory()[1] < 80_000_000
    finally:
        tracemalloc.stop()


def test_a_value_keeps_what_is_its_own_and_leaves_name_and_brackets_to_the_template():
    columns = list(
        zip(*(units(f"9 sshd[{n}]: uid={n} from 10.0.0.{n}:22 at host-{n}.lan") for n in (1, 2)), strict=True)
    )
    template = drawn(columns)
    assert template.legend("*") == "9 sshd[*]: uid=* from * at *"
    assert template.lines("§a", columns) == [f"§a {n} {n} 10.0.0.{n}:22 host-{n}.lan" for n in (1, 2)]


def test_a_value_is_never_spaces_only():
    columns = list(zip(*([" [", f"{' ' * n}]"] for n in (5, 6)), strict=True))
    assert [slot.after for slot in drawn(columns).slots] == [""]
