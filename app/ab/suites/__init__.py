"""Questions with exact answers, made the same of the same seed everywhere. Pure."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from app.ab.question import Question
from app.ab.suites import dialogue, logs, rag, tables
from app.ab.suites.drawn import Drawn, Place, messages

SUITES: Mapping[str, Callable[[Random], Drawn]] = {
    "logs": logs.draw,
    "tables": tables.draw,
    "dialogue": dialogue.draw,
    "rag": rag.draw,
}


def made(suite: str, count: int, seed: int, place: Place) -> Sequence[Question]:
    """So many questions of a suite, each about data of its own, so that each is worth as much as any other."""
    return [_question(suite, number, seed, place) for number in range(1, count + 1)]


def _question(suite: str, number: int, seed: int, place: Place) -> Question:
    drawn = SUITES[suite](Random(f"{suite} {seed} {number}"))  # noqa: S311 - texts, no secrets
    name = f"{suite}-{seed}-{number:04}"
    return Question(name, f"{suite}.{drawn.part}", messages(drawn, place), drawn.answer, drawn.kind)
