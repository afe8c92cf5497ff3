"""What an evaluation counts. Pure.

`teacher` is the base that reads everything in words, `student` the base with an adapter that reads hypertokens; `wanted` is the
answer that the corpus has.
"""

import re
from collections.abc import Sequence
from math import exp
from statistics import fmean

import msgspec

from app.ab.statistics import interval, mcnemar, wilson

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One held-out exchange. `kl` is the mean of KL(teacher || student) at the tokens of the wanted answer, in nats; the losses are
    means of -log p of it.
    """

    id: str
    task: str
    language: str
    asked: str
    wanted: str
    teacher: str
    student: str
    teacher_tokens: int
    student_tokens: int
    kl: float
    teacher_loss: float
    student_loss: float


class Share(msgspec.Struct, frozen=True):
    """A share with its interval of 95 % (Wilson, 1927)."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, right: int, count: int) -> "Share":
        return cls(right / count if count else 0.0, *wilson(right, count))


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Of one adapter, or of one language of it.

    `retention` is the student's share of exact answers over the teacher's. `p` is McNemar's, exactly: how likely so uneven a
    division of the exchanges that only one of both has right is, were they equally good; `difference_low` and `_high` are of the
    student's share less the teacher's (Tango, 1998). Perplexity is exp(mean -log p) of the wanted answers.
    """

    name: str
    exchanges: int
    teacher_exact: Share
    student_exact: Share
    student_numbers: Share
    teacher_numbers: Share
    retention: float
    p: float
    difference_low: float
    difference_high: float
    kl: float
    shorter: float
    teacher_prompt_tokens: float
    student_prompt_tokens: float
    teacher_perplexity: float
    student_perplexity: float


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """What the step found. `missed` are the bounds that do not hold, in words: with any, nothing is published."""

    schema: str = "hb.evaluation/1"
    adapters: Sequence[Measured]
    slices: Sequence[Measured]
    reversible: float
    associative: float
    missed: Sequence[str]


def numbers(text: str) -> Sequence[str]:
    """In order: prices, dates, quantities."""
    return _NUMBER.findall(text)


def measured(name: str, found: Sequence[Answered]) -> Measured:
    """Of at least one exchange."""
    right = [(each.teacher == each.wanted, each.student == each.wanted) for each in found]
    teacher, student = (sum(column) for column in zip(*right, strict=True))
    gained = sum(ours and not theirs for theirs, ours in right)
    lost = sum(theirs and not ours for theirs, ours in right)
    with_numbers = [each for each in found if numbers(each.wanted)]
    low, high = interval(gained, lost, len(found))
    return Measured(
        name=name,
        exchanges=len(found),
        teacher_exact=Share.of(teacher, len(found)),
        student_exact=Share.of(student, len(found)),
        student_numbers=Share.of(
            sum(numbers(each.student) == numbers(each.wanted) for each in with_numbers), len(with_numbers)
        ),
        teacher_numbers=Share.of(
            sum(numbers(each.teacher) == numbers(each.wanted) for each in with_numbers), len(with_numbers)
        ),
        retention=student / teacher if teacher else 0.0,
        p=mcnemar(gained, lost),
        difference_low=low,
        difference_high=high,
        kl=fmean(each.kl for each in found),
        shorter=sum(each.teacher_tokens for each in found) / sum(each.student_tokens for each in found),
        teacher_prompt_tokens=fmean(each.teacher_tokens for each in found),
        student_prompt_tokens=fmean(each.student_tokens for each in found),
        teacher_perplexity=exp(fmean(each.teacher_loss for each in found)),
        student_perplexity=exp(fmean(each.student_loss for each in found)),
    )
