"""The way back from a text with blocks in any form, also where a stranger wrote it."""

import time

import pytest

from scenes.contracts import LARGEST
from scenes.forms import FOLDS, Undecodable, decoded, form_of
from tests.scenes.bounds import LINEAR_SECONDS

LOG = "\n".join(
    f"2026-05-04 10:{n:02}:11 INFO shop.Orders: order {4700 + n} was reserved by worker {n % 4}"
    for n in range(40)
)
MANY = 100_000
RUNS = "[runs lines=2 (n more) repeats what is above it n times]\nx\n(999999 more)\n"
CODES = "[codes lines={} legend=1 each §code stands for the phrase after its =]\n§aa={}\n{}"


def test_blocks_come_back_within_the_text_around_them():
    log = next(each for each in FOLDS if each.name == "log")
    folded = log.fold(LOG)
    assert folded is not None
    assert decoded(f"before\n{folded}\nafter\n") == f"before\n{LOG}\nafter\n"
    assert form_of(folded) is log
    assert form_of("before\n" + folded) is None


@pytest.mark.parametrize(
    "block",
    ["[table rows=1]\na\n1", "[log lines=9 x]\na", "[find lines=9 x]\na", CODES.format(2, "a", "§bb")],
)
def test_a_block_that_nothing_here_wrote_is_told_by_its_line(block):
    with pytest.raises(Undecodable) as told:
        decoded(f"one\ntwo\n{block}\n")
    assert told.value.line == 3
    assert "line 3" in str(told.value)
    assert "two" not in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        CODES.format(2, "x" * MANY, "§aa " * MANY),
        f"[table lines={MANY + 1} rows={MANY}]\na | each row: b={'y' * MANY}\n" + "\n".join("1" * MANY),
        f"[table lines={MANY + 1} rows={MANY}]\n{'a' * MANY}\n" + "\n".join("1" * MANY),
        RUNS * 100,
    ],
    ids=["codes", "a cell for all rows", "a name", "many blocks"],
)
def test_a_few_lines_of_a_stranger_stand_for_so_much_and_no_more(text):
    assert len(text) < LARGEST / 10
    began = time.process_time()
    with pytest.raises(Undecodable):
        decoded(text)
    assert time.process_time() - began < LINEAR_SECONDS
