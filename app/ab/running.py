"""All questions asked both ways: in an order by chance, a bounded number at once."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from app.ab.asking import Arm, Asking, Reply
from app.ab.faults import Refused
from app.ab.kept import Kept
from app.ab.question import Question

MOST_FAILURES = 10
"""In a row: after that nothing more is asked."""

Told: TypeAlias = Callable[[int, int, int], None]
"""Hears how many questions are done, of how many, and how many calls failed."""


@dataclass(frozen=True, slots=True)
class Design:
    """How often each question is asked in each arm, how many are asked at once, and by which seed chance goes."""

    replicates: int = 1
    concurrency: int = 8
    seed: int = 1


async def run(questions: Sequence[Question], design: Design, asking: Asking, kept: Kept, told: Told) -> None:
    """Ask all that `kept` does not hold. Raises Refused where asking on is no use."""
    waiting = list(questions)
    Random(f"order {design.seed}").shuffle(waiting)  # noqa: S311 - no secret
    running = _Run(iter(waiting), design, asking, kept)
    running.told = lambda done, failed: told(done, len(waiting), failed)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(design.concurrency):
                group.create_task(running.work())
    except* Refused as refused:
        raise refused.exceptions[0] from None


def order(question: Question, design: Design) -> Sequence[tuple[Arm, int]]:
    """The askings of one question: the raw arm at least twice, so that it can be held against itself."""
    arms: list[Arm] = ["raw"] * max(design.replicates, 2)
    arms += ["encoded"] * design.replicates
    Random(f"arms {design.seed} {question.id}").shuffle(arms)  # noqa: S311 - no secret
    return [(arm, arms[:place].count(arm)) for place, arm in enumerate(arms)]


class _Run:
    """What the workers share: which question is next, and how it went so far."""

    def __init__(self, waiting: Iterator[Question], design: Design, asking: Asking, kept: Kept) -> None:
        self.told: Callable[[int, int], None] = lambda _done, _failed: None
        self._waiting = waiting
        self._design = design
        self._asking = asking
        self._kept = kept
        self._done = 0
        self._failed = 0
        self._in_a_row = 0

    async def work(self) -> None:
        for question in self._waiting:
            await self._question(question)
            self._done += 1
            self.told(self._done, self._failed)

    async def _question(self, question: Question) -> None:
        """Ask it in every arm; no more where its prompt stays as it is, for then both arms are one."""
        for arm, number in order(question, self._design):
            reply = self._kept.replies.get((question.id, arm, number))
            if reply is None:
                reply = await self._asking.ask(question, arm, number)
                self._kept.put(reply)
                self._mind(reply)
            if arm == "encoded" and not reply.error and not reply.saved:
                return

    def _mind(self, reply: Reply) -> None:
        self._failed += bool(reply.error)
        self._in_a_row = self._in_a_row + 1 if reply.error else 0
        if self._in_a_row >= MOST_FAILURES:
            raise Refused(f"{MOST_FAILURES} calls in a row failed, the last with: {reply.error}")
