"""The questions: the same of the same seed, with answers that their own data gives."""

import json
from collections import Counter
from pathlib import Path

import pytest

from app.ab import suites
from app.ab.commands import NAMES
from app.ab.faults import SuiteFault
from app.ab.judging import is_right
from app.ab.question import Question, digest
from app.ab.suites import SUITES, own
from scenes.blocks import fenced
from scenes.forms import FOLDS
from tests.support.process import printed


def made(suite: str, count: int = 200) -> list[Question]:
    return list(suites.made(suite, count, 1, "fenced"))


def said(question: Question) -> str:
    return "\n".join(str(message["content"]) for message in question.messages)


def test_the_command_names_every_suite():
    assert tuple(SUITES) == NAMES


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_is_the_same_in_every_process(suite):
    program = (
        f"from app.ab import suites, question; print(question.digest(suites.made({suite!r}, 20, 3, 'tool')))"
    )

    assert len(printed(program)) == 1


@pytest.mark.parametrize("suite", SUITES)
def test_another_seed_asks_other_questions_and_more_questions_begin_with_the_same(suite):
    few, other = suites.made(suite, 5, 1, "fenced"), suites.made(suite, 5, 2, "fenced")

    assert digest(few) != digest(other)
    assert list(suites.made(suite, 9, 1, "fenced"))[:5] == list(few)
    assert len({said(question) for question in made(suite)}) == 200


@pytest.mark.parametrize("suite", SUITES)
def test_the_right_answer_is_right_and_those_of_other_questions_mostly_are_not(suite):
    questions = [question for question in made(suite) if question.kind != "json"]
    answers = [str(each.answer[0] if each.kind == "one_of" else each.answer) for each in questions]
    others = [*answers[1:], answers[0]]

    assert all(map(is_right, questions, answers))
    assert sum(map(is_right, questions, others)) < 0.15 * len(questions)


@pytest.mark.parametrize("suite", SUITES)
def test_every_answer_but_a_count_stands_in_the_prompt(suite):
    for question in made(suite):
        if question.kind != "json" and not question.part.endswith(".count"):
            answer = question.answer[0] if question.kind == "one_of" else question.answer
            assert str(answer) in said(question), question.id


@pytest.mark.parametrize("suite", SUITES)
def test_every_sort_of_question_is_asked(suite):
    assert min(Counter(question.part for question in made(suite)).values()) >= 3


def test_counts_of_a_log_are_those_of_its_lines():
    for question in made("logs"):
        if question.part == "logs.count":
            data, _, asked = question.messages[-1]["content"].rpartition("```")
            user = asked.split("invalid user ")[1].split(" ")[0]
            assert question.answer == data.count(f"invalid user {user} from")


@pytest.mark.parametrize(("suite", "least"), [("logs", 0.8), ("tables", 0.9), ("dialogue", 0.8)])
def test_the_safe_layer_changes_most_prompts(suite, least):
    def is_changed(question: Question) -> bool:
        texts = [message["content"] for message in question.messages if message["role"] == "user"]
        blocks = [text[block.start : block.end] for text in texts for block in fenced(text)]
        folded = [(block, form.fold(block)) for block in blocks for form in FOLDS]
        return any(text is not None and len(text) < 0.9 * len(block) for block, text in folded)

    questions = made(suite, 40)

    assert sum(map(is_changed, questions)) >= least * len(questions)


def test_data_may_stand_where_a_tool_gave_it_back():
    [question] = suites.made("tables", 1, 1, "tool")
    _, user, called, tool = question.messages

    assert "```" not in user["content"]
    assert called["tool_calls"][0]["id"] == tool["tool_call_id"]
    assert tool["role"] == "tool"


GOOD = {"messages": [{"role": "user", "content": "2 + 2?"}], "answer": 4, "kind": "number"}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "own.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_a_file_of_one_s_own_is_read_with_ids_and_without(tmp_path: Path):
    path = written(tmp_path, GOOD, "", GOOD | {"id": "mine", "kind": "one_of", "answer": ["4", "four"]})

    questions = own.read(path, 10, 1)

    assert sorted((each.id, each.kind, each.part) for each in questions) == [
        ("line-1", "number", "own"),
        ("mine", "one_of", "own"),
    ]
    assert len(own.read(path, 1, 1)) == 1


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`"),
        ('{"answer": 1}', "missing required field `messages`"),
        (GOOD | {"messages": []}, "length >= 1"),
        (GOOD | {"messages": [{"content": "x"}]}, "every message is an object with a role"),
        (GOOD | {"kind": "judge"}, "Invalid enum value 'judge'"),
        (GOOD | {"answr": 4}, "unknown field `answr`"),
        (GOOD | {"answer": "four"}, "the answer to a question of the kind number is a number"),
        (GOOD | {"answer": True}, "is a number"),
        (GOOD | {"kind": "exact"}, "is a text"),
        (GOOD | {"kind": "one_of", "answer": []}, "is a list of at least one text"),
        (GOOD | {"id": "q"}, "the id 'q' stands on an earlier line as well"),
    ],
)
def test_a_faulty_line_is_told_with_its_number(tmp_path: Path, line, why):
    path = written(tmp_path, GOOD | {"id": "q"}, "", line)

    with pytest.raises(SuiteFault) as fault:
        own.read(path, 10, 1)

    assert str(fault.value).startswith(f"{path}:3: ")
    assert why in str(fault.value)


def test_a_file_that_is_not_there_or_empty_is_told(tmp_path: Path):
    with pytest.raises(SuiteFault, match="No such file"):
        own.read(tmp_path / "none.jsonl", 10, 1)
    with pytest.raises(SuiteFault, match="holds no question"):
        own.read(written(tmp_path, ""), 10, 1)
