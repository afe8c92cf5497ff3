"""The made-up desk, and documents as such."""

import re
from collections import Counter

import pytest

from training.corpus.desk import FIELDS, desks, documents
from training.corpus.document import Document, parse
from training.measures import numbers


def test_the_same_seed_makes_the_same_documents():
    assert [*documents(50, 1)] == [*documents(50, 1)]
    assert [*documents(50, 1)] != [*documents(50, 2)]


def test_both_languages_all_kinds_and_tasks_come():
    made = [*documents(2000, 1)]
    assert set(Counter(each.language for each in made)) == {"en", "ru"}
    assert set(Counter(each.kind for each in made)) == {"dialogue", "report", "verse"}
    assert set(Counter(each.task for each in made)) == {"risk", "ideas", "trade", ""}


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_answer_is_known_from_its_scene_and_has_no_number_that_was_not_asked(language):
    desk = desks()[language]
    for made in documents(600, 5, [language]):
        if made.task not in desk.tasks:
            continue
        scene, answers = (
            made.messages[1].content,
            [each for each in made.messages if each.role == "assistant"],
        )
        asks = [each for each in made.messages if each.role == "user"]
        for ask, answer in zip(asks, answers, strict=True):
            assert set(numbers(answer.content)) <= set(numbers(ask.content))
            for field in desk.tasks[made.task].fields:
                for saying in desk.sayings(field):
                    assert (saying.says in answer.content) == (saying.text in scene)


def test_sayings_of_a_field_differ_and_say_something_of_their_own():
    for desk in desks().values():
        sayings = [each for field in FIELDS for each in desk.sayings(field)]
        assert (
            len({each.text for each in sayings}) == len({each.says for each in sayings}) == len(sayings) == 24
        )
        assert not any(re.search(r"\d", each.text + each.says) for each in sayings)


def test_documents_of_one_group_are_held_out_together():
    made = [*documents(3000, 1)]
    sides: dict[str, set[bool]] = {}
    for each in made:
        if each.group:
            sides.setdefault(each.group, set()).add(each.held_out(7, 0.1))
    assert all(len(side) == 1 for side in sides.values())
    share = sum(True in side for side in sides.values()) / len(sides)
    assert 0.07 < share < 0.13


def test_a_line_has_a_text_or_messages():
    with pytest.raises(ValueError, match="either"):
        parse(b'{"id": "a", "kind": "text", "language": "en", "licence": "MIT", "source": "x"}')
    assert parse(
        b'{"id": "a", "kind": "text", "language": "en", "licence": "MIT", "source": "x", "text": "y"}'
    ) == Document(id="a", kind="text", language="en", licence="MIT", source="x", text="y")
