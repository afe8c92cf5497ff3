"""Dialogues as a teacher reads them and as its student does.

The teacher is the base: it reads everything in words, the instruction with it. The student reads no instruction, which is what its
adapter learns, and hypertokens where the mode says so:

    context   the prompt in hypertokens, the answer in words
    bridge    both in hypertokens
    output    the prompt in words, the answer in hypertokens

Where an answer has hypertokens, the two are compared at the tokens that stand in both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from scenes.hypertokens import SURFACE, Hypertokens
from training.chat import Exchange, Template
from training.corpus.document import Document, Message
from training.recipe import Mode

_FIRST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Side:
    """Tokens of a prompt and of the answer behind it."""

    prompt: Sequence[int]
    answer: Sequence[int]

    @property
    def tokens(self) -> Sequence[int]:
        return [*self.prompt, *self.answer]


@dataclass(frozen=True, slots=True)
class Example:
    """One exchange from both sides. `pairs` are places of the same token in both answers: (teacher's, student's)."""

    task: str
    teacher: Side
    student: Side
    pairs: Sequence[tuple[int, int]]
    wanted: str
    """The answer in words."""


class Examples:
    """Makes them, by a tokenizer that has the book's tokens."""

    def __init__(self, tokenizer: Any, book: Hypertokens, mode: Mode) -> None:
        self._tokenizer = tokenizer
        self._template = Template(tokenizer)
        self._book = book
        self._mode = mode

    def of(self, document: Document, turn: int | None = None) -> Example | None:
        """One exchange of a dialogue: with so many answers before it, or any. None where there is no such one."""
        ends = [at for at, message in enumerate(document.messages) if message.role == "assistant" and at > 0]
        if not ends or (turn is not None and turn >= len(ends)):
            return None
        at = ends[_drawn(document, len(ends)) if turn is None else turn]
        messages = document.messages[: at + 1]
        teacher = self._template.exchange(messages)
        student = self._template.exchange(self._read(messages))
        answer, offsets = self._cut(teacher.answer)
        short, short_offsets = self._cut(student.answer)
        pairs = _pairs(offsets, short_offsets, student, self._book.phrases)
        if not pairs:  # nothing in which both could be compared
            return None
        return Example(
            document.task,
            Side(self._ids(teacher.prompt), answer),
            Side(self._ids(student.prompt), short),
            pairs,
            messages[-1].content,
        )

    @property
    def hypertokens(self) -> frozenset[int]:
        """Their ids."""
        return frozenset(entry.id for entry in self._book.entries)

    def words(self, answer: Sequence[int]) -> str:
        """An answer's text up to the token that ends it, hypertokens in words."""
        text: str = self._tokenizer.decode(answer, skip_special_tokens=False)
        ends = [
            place
            for mark in (self._template.end, self._tokenizer.eos_token)
            if mark and (place := text.find(mark)) >= 0
        ]
        return self._book.decode(text[: min(ends)] if ends else text)

    def _read(self, messages: Sequence[Message]) -> Sequence[Message]:
        """What the student reads, and what it answers."""
        told = [message for message in messages if message.role != "system"]
        prompts = told[:-1] if self._mode == "output" else [self._encoded(message) for message in told[:-1]]
        return [*prompts, told[-1] if self._mode == "context" else self._encoded(told[-1])]

    def _encoded(self, message: Message) -> Message:
        return Message(message.role, self._book.encode(message.content))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _cut(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        cut = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return cut["input_ids"], [(start, end) for start, end in cut["offset_mapping"]]


def _drawn(document: Document, count: int) -> int:
    """The first exchange, in which most of a dialogue's background stands, as often as all the others; the same each time."""
    random = Random(document.id)
    return 0 if random.random() < _FIRST_SHARE else random.randrange(count)


def _pairs(
    long: Sequence[tuple[int, int]],
    short: Sequence[tuple[int, int]],
    student: Exchange,
    phrases: Mapping[str, str],
) -> Sequence[tuple[int, int]]:
    """Tokens that cover the same characters, where a hypertoken counts as long as what it stands for."""
    shifts: list[
        tuple[int, int]
    ] = []  # from this place of the short answer on, so many characters more in the long one
    added = 0
    surfaces = [
        (found.start(), found.end(), found[0])
        for found in SURFACE.finditer(student.answer)
        if found[0] in phrases
    ]
    for _, end, surface in surfaces:
        added += len(phrases[surface]) - len(surface)
        shifts.append((end, added))
    places: dict[tuple[int, int], list[int]] = {}
    for number, span in enumerate(long):
        places.setdefault(span, []).append(number)
    pairs = []
    for number, (start, end) in enumerate(short):
        if any(start < last and first < end for first, last, _ in surfaces):
            continue
        by = next((shift for place, shift in reversed(shifts) if place <= start), 0)
        same = places.get((start + by, end + by), [])
        if same:
            pairs.append((same.pop(0), number))
    return pairs
