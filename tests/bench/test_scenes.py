"""The figures of scenes: each part says what it measured, whatever the figures are."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from app.codecs.vocabularies import found_in
from bench.scenes.cache import Cost, cache
from bench.scenes.gateway import Gateway
from bench.scenes.printed import Goal, Part, Table, markdown
from bench.scenes.saving import saving
from bench.scenes.speed import speed
from bench.texts import Text, logs, machine, tables
from bench.texts.sessions import Message
from tests.support.process import ROOT
from tests.support.vocabularies import TOKENIZERS

LINES = 60
LOG = machine.lines_of(logs.sshd, LINES)
TEXTS = (
    Text("sshd", "log", LOG),
    Text("ticks.json", "json", tables.compact(json.loads(tables.ticks_json())[:30])),
    Text(
        "wordy",
        "prose",
        "Nothing in here is ever said twice, so no form takes it.\n" + "".join(map(chr, range(97, 123))) * 8,
    ),
)
FAMILIES = ("qwen", "o200k")


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    return Gateway({family: path for family, path in found_in(TOKENIZERS).items() if family in FAMILIES})


def rows(part: Part, title: str) -> Sequence[Sequence[Any]]:
    [found] = [table.rows for table in part.tables if table.title == title]
    return found


def turns(*outputs: str) -> Sequence[Message]:
    called = [{"role": "tool", "tool_call_id": "call", "content": output} for output in outputs]
    asked = [{"role": "user", "content": "Look."}, {"role": "assistant", "content": "Yes."}]
    return [{"role": "system", "content": "Look first."}, *(each for one in called for each in (*asked, one))]


def test_each_text_has_a_row_in_each_layer_and_its_kind_a_median(gateway: Gateway):
    found = rows(saving(gateway, TEXTS, Gateway({})), "Net saving, %, safe")

    assert [tuple(row[:3]) for row in found[:3]] == [
        ("sshd", "log", "log"), ("ticks.json", "json", "table"), ("wordy", "prose", "-"),
    ]  # fmt: skip
    assert found[0][3:] == found[3][3:]
    assert len(found) == 2 * len(TEXTS)


def test_what_nothing_takes_saves_nothing_and_what_is_taken_something(gateway: Gateway):
    for row in rows(saving(gateway, TEXTS, Gateway({})), "Net saving, %, codebook"):
        assert (row[3] == row[4] == 0.0) if row[1] == "prose" else min(row[3:]) > 10


def test_goals_are_told_of_the_texts_that_are_there_and_no_others(gateway: Gateway):
    goals = saving(gateway, TEXTS, Gateway({})).goals

    assert {"flat uniform JSON", "log templates: `log` alone"} <= {goal.title for goal in goals}
    assert "nested JSON" not in {goal.title for goal in goals}


def test_a_session_costs_less_where_each_part_is_encoded_once_and_more_where_all_is_encoded_anew(
    gateway: Gateway,
):
    outputs = [machine.lines_of(logs.sshd, LINES, LINES * turn) for turn in range(3)]
    part = cache(gateway, {"short": turns(*outputs)}, "short")
    cheap = {(row[1], row[2]): row[-1] for row in rows(part, "A session behind a prefix cache")}

    for family in FAMILIES:
        assert cheap[family, "safe"] < cheap[family, "plain"] == 100 < cheap[family, "anew each turn"]
    assert all(goal.met for goal in part.goals if goal.title.startswith("hits lost"))


def test_a_session_costs_what_was_hit_at_its_price_and_the_rest_in_full():
    assert Cost(1000, 800).at(1) == 1000
    assert Cost(1000, 800).at(0.1) == pytest.approx(280)


def test_everything_that_is_timed_has_taken_some_time(gateway: Gateway):
    part = speed(gateway, TEXTS, rounds=1)

    assert [row[0] for row in part.tables[0].rows] == [*(text.name for text in TEXTS), "median"]
    assert all(
        figure > 0
        for table in part.tables
        for row in table.rows
        for figure in row
        if isinstance(figure, float)
    )
    assert [goal.title for goal in part.goals[1:]] == [
        row[0] for row in part.tables[1].rows if "chunk" in str(row[0])
    ]


def test_a_goal_is_met_from_its_own_side():
    assert Goal("saved", 40, 40, "%").met
    assert not Goal("saved", 39.9, 40, "%").met
    assert Goal("took", 1, 1, "ms", is_most=True).met
    assert not Goal("took", 1.1, 1, "ms", is_most=True).met


def test_a_part_is_printed_as_tables_with_its_goals_last():
    table = Table("Things", ("thing", "%"), [("one", 1.25)])
    printed = markdown(Part("some", [table], [Goal("saved", 1.25, 2, "%", about="of one")]))

    assert "| one | 1.2 |" in printed
    assert printed.endswith("| saved | 1.2 % | ≥ 2 % | **missed** | of one |")


def test_without_vocabularies_the_command_says_what_is_wrong(tmp_path):
    command = [sys.executable, "-m", "bench.scenes", "--tokenizers", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "make tokenizers" in done.stderr
