"""What comes back of what was said: the sets and their figures."""

import json
import os
import subprocess
import sys

import pytest

from bench.recall import dialogues, passages
from bench.recall.sets import Dialogue, Question, Searched, Spoken, Unreadable, read
from bench.texts import dialogues as made_dialogues
from bench.texts import passages as made_passages
from tests.support.process import ROOT
from tests.support.static_vectors import meaning

_DIGEST = """
from hashlib import sha256
import msgspec
from bench.texts import dialogues, passages
made = [dialogues.dialogue("english", "1"), dialogues.dialogue("russian", "1"), *passages.searches([1])]
print(sha256(msgspec.json.encode(made)).hexdigest())
"""
TURNS = (
    Spoken("1", "Ada", "We sailed to Malta in spring."),
    Spoken("2", "Ben", "The oven is broken again."),
    Spoken("3", "Ada", "I bought a violin."),
    Spoken("4", "Ben", "It rains."),
)
DIALOGUE = Dialogue(TURNS, (Question("Who bought the violin?", ("3",)), Question("Zzz?", ("1", "2"))))


def digest(seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.check_output([sys.executable, "-c", _DIGEST], cwd=ROOT, env=environment, text=True)


def recalled(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.recall", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_is_made_up_is_the_same_in_every_process():
    assert digest("1") == digest("2")


@pytest.mark.parametrize("language", ["english", "russian"])
def test_a_made_dialogue_names_a_turn_for_each_answer_and_fills_in_every_blank(language):
    made = made_dialogues.dialogue(language, "1")
    assert len(made.turns) > 500
    assert {question.group for question in made.questions} >= {made_dialogues.NEAR, made_dialogues.FAR}
    assert not [turn for turn in made.turns if "{" in turn.text]
    assert not [question for question in made.questions if "{" in question.question]


def test_a_made_search_has_its_answer_among_twenty():
    made = [*made_passages.searches([1])]
    assert {len(each.passages) for each in made} == {made_passages.PASSAGES}
    assert len({each.gold for each in made}) > 10


def test_evidence_counts_where_all_of_its_turn_is_told():
    asked = [dialogues.Asked(DIALOGUE)]
    everything, nothing = (lambda *_: {"1", "2", "3", "4"}), (lambda *_: {"1", "4"})
    assert dialogues.recall(everything, asked, 8) == (100, 100)
    assert dialogues.recall(nothing, asked, 8) == (25, 0)


@pytest.mark.parametrize("name", dialogues.METHODS)
def test_each_way_finds_more_where_there_is_more_room(name):
    asked = [dialogues.Asked(made_dialogues.dialogue("english", "1"))]
    small, large = (dialogues.recall(dialogues.METHODS[name], asked, ratio)[0] for ratio in (250, 1))
    assert small < large
    assert name in {"ours", "BM25, turns", "BM25, scenes", "ours, budget filled"} or large == 100


def test_the_right_passage_stays_where_its_words_are_asked_for():
    searched = Searched("Who makes honey?", ("Ships sail.", "Bees make honey.", "It rains in Rome."), 1)
    assert passages.kept(passages.ours, [searched], 2) == 100
    assert passages.kept(passages.by_meaning(meaning()), [searched], 2) == 100
    assert passages.kept(passages.first_passages, [searched], 2) == 0


def test_a_set_of_ones_own_is_read_and_measured(tmp_path):
    told, searched = tmp_path / "told.jsonl", tmp_path / "searched.jsonl"
    turns = [{"id": turn.id, "agent": turn.agent, "text": turn.text} for turn in TURNS]
    told.write_text(json.dumps({"turns": turns, "questions": [{"question": "Violin?", "evidence": ["3"]}]}))
    searched.write_text(
        json.dumps({"question": "Honey?", "passages": ["Honey.", "Ships."], "gold": 0}) + "\n\n"
    )

    done = recalled("--dialogues", str(told), "--passages", str(searched))

    assert done.returncode == 0, done.stderr
    assert "| ours | all |" in done.stdout
    assert "| BM25 | 100.0 |" in done.stdout
    assert "| ours | 100.0 |" in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        {
            "turns": [{"id": "1", "agent": "a", "text": "x"}],
            "questions": [{"question": "?", "evidence": ["2"]}],
        },
        {"turns": [{"id": "1", "agent": "a", "text": "x"}] * 2, "questions": []},
        {"turns": []},
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(tmp_path, line):
    path = tmp_path / "told.jsonl"
    path.write_text(json.dumps(line))
    with pytest.raises(Unreadable, match="line 1"):
        read(path, Dialogue)
    with pytest.raises(Unreadable, match="No such file"):
        read(tmp_path / "none.jsonl", Searched)


def test_the_command_says_what_is_wrong_with_a_file(tmp_path):
    done = recalled("--passages", str(tmp_path / "none.jsonl"))
    assert done.returncode == 1
    assert "No such file" in done.stderr
