"""What the teacher reads, and what the student does, in the three modes."""

import pytest
from transformers import AutoTokenizer

from scenes.hypertokens import Hypertokens
from training.corpus.document import Document, Message
from training.examples import Example, Examples
from training.recipe import Mode
from training.rows import BOOK


@pytest.fixture(scope="session")
def parts(forged):
    folder = forged.folder / "hypertokens"
    return AutoTokenizer.from_pretrained(folder), Hypertokens.from_json((folder / BOOK).read_bytes())


def example(parts, mode: Mode, answer: str = "Wait.", turn: int = 0) -> Example:
    tokenizer, book = parts
    first, second = (entry.phrase for entry in book.entries[:2])
    messages = [
        Message("system", "You are the risk officer."),
        Message("user", f"{first} {second}\nLong 12 gold at 4.20"),
        Message("assistant", answer.format(first=first, second=second)),
        Message("user", "And now?"),
        Message("assistant", "The same."),
    ]
    document = Document(
        id="1", kind="dialogue", language="en", licence="x", source="y", messages=messages, task="risk"
    )
    found = Examples(tokenizer, book, mode).of(document, turn)
    assert found is not None
    return found


def test_the_teacher_reads_words_and_the_instruction_and_the_student_neither(parts):
    tokenizer, book = parts
    found = example(parts, "context")
    teacher, student = tokenizer.decode(found.teacher.prompt), tokenizer.decode(found.student.prompt)
    assert "risk officer" in teacher
    assert book.entries[0].phrase in teacher
    assert (
        student == "<|im_start|>user\n<|Δ1|> <|Δ2|>\nLong 12 gold at 4.20<|im_end|>\n<|im_start|>assistant\n"
    )
    assert found.teacher.answer == found.student.answer
    assert found.pairs == [(at, at) for at in range(len(found.student.answer))]


@pytest.mark.parametrize(
    ("mode", "prompt", "answer"), [("context", True, False), ("bridge", True, True), ("output", False, True)]
)
def test_each_mode_puts_hypertokens_where_it_says(parts, mode, prompt, answer):
    _, book = parts
    found = example(parts, mode, "So: {second} Then wait.")
    ids = {entry.id for entry in book.entries}
    assert bool(ids & set(found.student.prompt)) == prompt
    assert bool(ids & set(found.student.answer)) == answer
    assert not ids & {*found.teacher.prompt, *found.teacher.answer}


@pytest.mark.parametrize(
    "answer",
    [
        "So: {second} Then wait.",
        "{first} {second}",
        "{second}12",
        "No phrase.",
        "{first}\n{second}\nEnd {first}",
    ],
)
def test_pairs_are_the_same_token_after_the_same_text(parts, answer):
    tokenizer, book = parts
    found = example(parts, "bridge", answer)
    ids = {entry.id for entry in book.entries}
    for long, short in found.pairs:
        assert found.teacher.answer[long] == found.student.answer[short]
        before = tokenizer.decode(found.student.answer[:short])
        assert book.decode(before) == tokenizer.decode(found.teacher.answer[:long])
    plain = sum(token not in ids for token in found.student.answer)
    assert len(found.pairs) >= plain - 2 * sum(token in ids for token in found.student.answer)


def test_a_later_turn_reads_the_earlier_ones(parts):
    tokenizer, _ = parts
    found = example(parts, "context", turn=1)
    assert "Wait." in tokenizer.decode(found.student.prompt)
    assert found.wanted == "The same."


def test_words_end_where_the_answer_ends(parts):
    tokenizer, book = parts
    made = Examples(tokenizer, book, "bridge")
    ids = tokenizer("So: <|Δ1|> now<|im_end|>\nmore", add_special_tokens=False)["input_ids"]
    assert made.words(ids) == f"So: {book.entries[0].phrase} now"
