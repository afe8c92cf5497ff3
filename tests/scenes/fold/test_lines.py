"""What is folded by lines comes back as it was, whatever it was, and is never longer."""

import os
import subprocess
import sys
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.contracts import MARKER, Form
from scenes.fold.grep import Grep
from scenes.fold.listing import Listing
from scenes.fold.log import Log
from scenes.fold.paths import Paths
from scenes.fold.runs import Runs
from scenes.forms import decoded
from tests.scenes.bounds import LINEAR_SECONDS
from tests.scenes.fold import printed

FORMS: list[Form] = [Grep(), Paths(), Listing(), Log(), Runs()]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)

WORDS = st.sampled_from([
    "a", "b", "/usr/x/", "/usr/x", "/usr/x/y", ".", "./", "./a", "--", "12", "7:", "-7-", ":7:", "a.py", "a.py:7:x",
    "a.py-7-x", "a.py:x", "§a", "§a=", "=", "*", "~", "[ls]", "[log]", "[x=1]", "[x=22]", "user=a,", "(3", "more)",
    "10:22:33", "2015-10-18", "INFO", "0", "]", "12]", "\r", "\t", "",
])  # fmt: skip
GLUE = st.sampled_from([" ", " ", " ", "  ", "   ", "", "/", ":"])
LINES = st.lists(st.tuples(WORDS, GLUE), max_size=7).map(lambda parts: "".join(map("".join, parts)))
MADE = st.lists(LINES, max_size=5).flatmap(
    lambda kinds: st.lists(st.sampled_from(kinds or [""]), max_size=24)
)
CELLS = st.sampled_from(["", "a", "bb", "12", "x y", '"', '"q"', "long-name", "\u3000", "\t", "a  b"])
PADDED = st.builds(
    lambda rows, widths, right: "\n".join(
        "".join(
            cell.rjust(width) + " " if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        )
        for row in rows
    ),
    st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=8, max_size=14),
    st.lists(st.integers(4, 12), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
STRIPPED = PADDED.map(lambda text: "\n".join(line.rstrip(" ") for line in text.split("\n")))
TEXTS = st.one_of(
    st.text(), st.lists(LINES, max_size=24).map("\n".join), MADE.map("\n".join), PADDED, STRIPPED, STRIPPED
)

HOSTILE = {
    "brackets": "[" * 1_000_000,
    "markers, almost": "[ls\n" * 250_000,
    "spaces": " " * 1_000_000,
    "lines of spaces": (" " * 5_000 + "\n") * 200,
    "empty lines": "\n" * 1_000_000,
    "digits": "1" * 1_000_000,
    "slashes": ("/" * 5_000 + "\n") * 200,
    "slashes, deep": "\n".join("a/" * depth + "b" for depth in range(1_000)),
    "dots": "." * 1_000_000,
    "dashes": "a.b:1:x\n" + ("-1" * 2_500 + "-\n") * 200,
    "lines of words": ("1 a=( " * 800 + "\n") * 200,
    "one line again": "a.b:1:x 1\n" * 100_000,
    "padding": ("a" + " " * 2_000 + "b\n") * 500,
    "columns": (("a  " * 300) + "\n") * 1_000,
    "quotes": (('"  ' * 300) + "\n") * 1_000,
    "closing": ("1 " + ")" * 5_000 + "\n") * 200,
    "two lines again": "a 1/\nb/2\n" * 100_000,
    "words of all kinds": "\n".join(
        f"{line} /a{line % 7} b{line % 11}:{line % 13}: c" for line in range(40_000)
    ),
}


def comes_back(form: Form, text: str) -> bool:
    """Whether it was folded: then it comes back."""
    folded = form.fold(text)
    if folded is None:
        return False
    marker, _, body = folded.removesuffix("\n").partition("\n")
    assert MARKER.match(marker)
    assert f"lines={len(body.split(chr(10)))} " in marker
    assert len(MARKER.findall(folded)) == 1
    assert len(folded) < len(text)
    assert form.unfold(folded) == form.canonical(text) == text
    assert decoded(f"{folded}\nbehind") == f"{text}\nbehind"
    return True


@every_form
@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
def test_any_text_comes_back(form, text):
    comes_back(form, text)


@every_form
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_text_of_its_kind_with_hostile_lines_in_it_comes_back(form, data):
    lines = data.draw(st.sampled_from([text.splitlines() for text in PRINTED[form.name]]))
    start = data.draw(st.integers(0, len(lines) - 40))
    some = lines[start : start + 40]
    for line in data.draw(st.lists(LINES | st.text(st.characters(exclude_characters="\n")), max_size=8)):
        some.insert(data.draw(st.integers(0, len(some))), line)
    comes_back(form, "\n".join(some) + data.draw(st.sampled_from(["", "\n", "\n\n", "\r\n"])))


PRINTED = {
    "grep": [printed.found(), printed.found(numbered=False)],
    "find": ["\n".join(printed.tree())],
    "ls": [printed.pods(), printed.processes()],
    "log": [*map(printed.log, (printed.daemon, printed.executor, printed.server)), printed.listing()],
    "runs": ["ready\n" + "connecting to the database\n" * 40 + "a line\nand the next\n\n" * 10 + "end"],
}
LEAST = {"grep": 0.4, "find": 0.4, "ls": 0.4, "log": 0.3, "runs": 0.8}


@every_form
def test_texts_of_its_kind_get_shorter_by_what_is_promised(form):
    for text in PRINTED[form.name]:
        folded = form.fold(text)
        assert folded is not None
        assert form.unfold(folded) == text
        assert len(folded) <= (1 - LEAST[form.name]) * len(text), folded


@every_form
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_megabyte_takes_less_than_a_second(form, kind):
    started = process_time()
    folded = form.fold(HOSTILE[kind])
    assert process_time() - started < LINEAR_SECONDS
    assert folded is None or form.unfold(folded) == HOSTILE[kind]


@every_form
@settings(max_examples=100, deadline=None)
@given(text=TEXTS, lines=st.integers(0, 9), note=st.text(max_size=9))
def test_what_no_form_wrote_is_refused_or_read_and_nothing_else(form, text, lines, note):
    for foreign in (
        text,
        f"[{form.name} lines={lines} {note}]\n{text}",
        f"[log lines={lines} legend=1: x *]\n§a=*\n{text}",
    ):
        try:
            form.unfold(foreign)
        except ValueError:
            continue


@every_form
def test_a_text_with_a_marker_of_its_own_is_left_alone(form):
    for text in PRINTED[form.name]:
        assert form.fold(f"[table rows=3]\n{text}") is None
        folded = form.fold(text)
        assert folded is not None
        assert form.fold(folded) is None


@pytest.mark.parametrize(
    "bomb",
    [
        "[runs lines=2 x]\na\n(999999999 more)",
        "[log lines=20001 legend=1: x *]\n§a=" + "x" * 10_000 + "\n§a" * 20_000,
        "[grep lines=20001 x]\n" + "x" * 10_000 + "\n1:" * 20_000,
        "[ls lines=20001 titles=0 columns=0,999: x]" + "\na b" * 20_001,
        "[find lines=20001 x]\n" + "x" * 10_000 + "/" + "\nx" * 20_000,
    ],
    ids=lambda bomb: bomb[1:5],
)
def test_a_few_lines_that_stand_for_very_many_are_refused(bomb):
    form = next(form for form in FORMS if bomb.startswith(f"[{form.name}"))
    with pytest.raises(ValueError, match=r"more than|too much"):
        form.unfold(bomb)


@pytest.mark.parametrize("text", ["", "\n", "prose, in one line", "a\n" * 4, "def f(x):\n    return x\n" * 3])
def test_small_texts_and_code_stand_aside(text):
    assert [form.fold(text) for form in FORMS] == [None] * len(FORMS)


def test_data_and_code_are_no_log():
    pretty = "[\n" + ",\n".join(f'  {{\n    "id": {n},\n    "at": {n}5\n  }}' for n in range(90)) + "\n]"
    table = "".join(f"<tr><td>{n}</td></tr>\n" for n in range(90))
    code = "def value(self) -> int:\n    return self.number\n\n" * 30
    assert [Log().fold(text) for text in (pretty, table, code)] == [None] * 3


def test_the_folded_text_is_the_same_in_every_process():
    code = (
        "from tests.scenes.fold import test_lines as t\n"
        "print([form.fold(text) for form in t.FORMS for text in t.PRINTED[form.name]])"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_a_search_reads_as_ripgrep_prints_it():
    text = "src/app/a.py:1:import os\nsrc/app/a.py-2-\nsrc/app/a.py:3:import sys\n--\nsrc/app/b.py:9:import os\nBinary it is\n"
    folded = Grep().fold(text * 2)
    assert folded is not None
    assert folded.splitlines()[1:9] == [
        "src/app/", "a.py", "1:import os", "2-", "3:import sys", "--", "b.py", "9:import os"
    ]  # fmt: skip
    assert " Binary it is" in folded


def test_times_of_day_and_addresses_are_not_searched_paths():
    lines = "".join(
        f"2015-10-18T10:22:{n:02} up\n10.0.0.1:80: up\napi.log_10:22:{n:02} up\n" for n in range(60)
    )
    assert Grep().fold(lines) is None


def test_a_directory_is_said_once_before_what_is_in_it_and_is_a_dot_there():
    paths = [
        "/srv/shop/data",
        *(f"/srv/shop/data/{name}.csv" for name in ("parts", "orders", "a b")),
        "/srv/shop/data/old/parts.csv",
        "/srv/shop/notes/one.md",
        "/srv/shop/notes/two.md",
        "/etc/shop.conf",
    ]
    folded = Paths().fold("\n".join(paths * 2))
    assert folded is not None
    assert folded.splitlines()[1:7] == [
        "/srv/shop/", "data/ . parts.csv orders.csv", " /srv/shop/data/a b.csv", "data/old/parts.csv",
        "notes/ one.md two.md", " /etc/shop.conf",
    ]  # fmt: skip


def test_values_stand_on_their_line_as_they_were():
    text = printed.log(printed.daemon)
    folded = Log().fold(text)
    assert folded is not None
    told = folded.splitlines()[-300:]
    for line, original in zip(told, text.splitlines(), strict=True):
        pieces = [
            word
            for word in original.replace("[", " ").replace("]", " ").split()
            if word[0].isdigit() and ":" in word
        ]
        assert all(piece.rstrip(":") in line for piece in pieces)
