"""The two arms held against each other, and what that proves. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from app.ab import statistics
from app.ab.asking import Arm, Reply
from app.ab.judging import form, is_right
from app.ab.kept import Asked
from app.ab.question import Question
from app.ab.verdict import Verdict

LEAST_RIGHT = 0.5
"""A raw arm that is right less often says little: what is too hard either way does not get worse."""
MOST_FAILED = 0.1
"""A larger share of questions without an answer could hide what they would have shown."""
_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to be shown: that the encoded arm is right less often by less than `margin`, a share of the questions.

    `tolerance` is how far a number may be off, `seed` that of the bootstrap.
    """

    margin: float = 0.02
    tolerance: float = 0.0
    replicates: int = 1
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """One question whose prompt was changed, with the answers of both arms, and what share of them is right."""

    question: Question
    raw: Sequence[Reply]
    encoded: Sequence[Reply]
    raw_right: float
    encoded_right: float

    @property
    def difference(self) -> float:
        return self.encoded_right - self.raw_right


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the interval of 95 %."""

    number: float
    count: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.number / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class Left:
    """Questions that are not compared: the prompt stayed as it was, an arm failed, or another model answered.

    `raw` and `encoded` are how many failed in that arm alone.
    """

    unchanged: int = 0
    failed: int = 0
    raw: int = 0
    encoded: int = 0
    elsewhere: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """Right answers of the encoded arm less those of the raw one, as a share of the questions.

    `low` and `high` are the interval by the score, which decides; the other two are the bootstrap's. `gained` and `lost`
    are how many questions only one arm has right, or has right more often; `p_value` is McNemar's, exactly.
    """

    value: float
    low: float
    high: float
    bootstrap_low: float
    bootstrap_high: float
    gained: int
    lost: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What was asked and said: prompt tokens of each arm, and medians of the encoded arm's share in the raw one's.

    None is what nobody told.
    """

    raw_prompt_tokens: int
    encoded_prompt_tokens: int
    completion_ratio: float | None
    seconds_ratio: float | None

    @property
    def saved_share(self) -> float | None:
        return 1 - self.encoded_prompt_tokens / self.raw_prompt_tokens if self.raw_prompt_tokens else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of a run. `pairs` are what was compared; without any there is no `difference`.

    `itself` is how often two raw answers say the same, `other` how often a raw and an encoded one do. `needed` is how many
    compared questions would prove it, as things look now; None where it is proved, or looks worse than the margin.
    """

    verdict: Verdict
    why: str
    pairs: Sequence[Pair]
    left: Left
    upstream: str
    model: str
    raw: Share
    encoded: Share
    itself: Share
    other: Share
    difference: Difference | None
    cost: Cost
    needed: int | None


def compare(questions: Sequence[Question], replies: Mapping[Asked, Reply], terms: Terms) -> Comparison:
    """Judge every answer, and say what the answers together show."""
    sorted_out = [_sorted(question, replies, terms) for question in questions]
    whole = [each for each in sorted_out if isinstance(each, Pair)]
    pairs, upstream, model = _of_one_model(whole)
    left = _left([each for each in sorted_out if not isinstance(each, Pair)], len(whole) - len(pairs))
    difference = _difference(pairs, terms) if pairs else None
    verdict, why = _verdict(pairs, left, difference, terms)
    return Comparison(
        verdict,
        why,
        pairs,
        left,
        upstream,
        model,
        raw=share_of(sum(pair.raw_right for pair in pairs), len(pairs)),
        encoded=share_of(sum(pair.encoded_right for pair in pairs), len(pairs)),
        itself=_agreeing(_twice(pairs, replies)),
        other=_agreeing((pair.question, pair.raw[0], pair.encoded[0]) for pair in pairs),
        difference=difference,
        cost=_cost(pairs),
        needed=_needed(pairs, difference, terms),
    )


def share_of(number: float, count: int) -> Share:
    return Share(number, count, *statistics.wilson(number, count))


def _sorted(question: Question, replies: Mapping[Asked, Reply], terms: Terms) -> Pair | frozenset[Arm]:
    """The pair of its answers; else the arms that failed, none of them where its prompt stayed as it was."""
    raw = _answers(question, "raw", replies, terms)
    encoded = _answers(question, "encoded", replies, terms)
    if any(not reply.saved for reply in encoded):
        return frozenset()
    arms: Mapping[Arm, Sequence[Reply]] = {"raw": raw, "encoded": encoded}
    failed = frozenset(arm for arm, found in arms.items() if len(found) < terms.replicates)
    if failed:
        return failed
    return Pair(question, raw, encoded, _right(question, raw, terms), _right(question, encoded, terms))


def _answers(question: Question, arm: Arm, replies: Mapping[Asked, Reply], terms: Terms) -> Sequence[Reply]:
    """Of all askings of the arm that are compared, those with an answer."""
    asked = (replies.get((question.id, arm, number)) for number in range(terms.replicates))
    return [reply for reply in asked if reply is not None and not reply.error]


def _right(question: Question, answers: Sequence[Reply], terms: Terms) -> float:
    return sum(is_right(question, reply.text, terms.tolerance) for reply in answers) / len(answers)


def _of_one_model(pairs: Sequence[Pair]) -> tuple[Sequence[Pair], str, str]:
    """The pairs that the same model of the same upstream answered altogether, the one that did so most often."""
    answered = [{(reply.upstream, reply.model) for reply in (*pair.raw, *pair.encoded)} for pair in pairs]
    counted = Counter(next(iter(each)) for each in answered if len(each) == 1)
    if not counted:
        return (), "", ""
    most = max(sorted(counted), key=counted.__getitem__)
    return [pair for pair, by in zip(pairs, answered, strict=True) if by == {most}], *most


def _left(others: Sequence[frozenset[Arm]], elsewhere: int) -> Left:
    return Left(
        unchanged=sum(not failed for failed in others),
        failed=sum(bool(failed) for failed in others),
        raw=sum(failed == {"raw"} for failed in others),
        encoded=sum(failed == {"encoded"} for failed in others),
        elsewhere=elsewhere,
    )


def _difference(pairs: Sequence[Pair], terms: Terms) -> Difference:
    values = [pair.difference for pair in pairs]
    gained, lost = sum(value > 0 for value in values), sum(value < 0 for value in values)
    return Difference(
        sum(values) / len(values),
        *statistics.interval(*_moved(pairs), len(pairs)),
        *statistics.bootstrap(values, terms.seed),
        gained,
        lost,
        statistics.mcnemar(gained, lost),
    )


def _moved(pairs: Sequence[Pair]) -> tuple[float, float]:
    """How much was gained and lost, where a question that was asked several times counts with its mean."""
    return (
        sum(max(pair.difference, 0.0) for pair in pairs),
        sum(max(-pair.difference, 0.0) for pair in pairs),
    )


def _needed(pairs: Sequence[Pair], difference: Difference | None, terms: Terms) -> int | None:
    """None as well where it is not for want of questions."""
    if difference is None or difference.low > -terms.margin:
        return None
    return statistics.needed(*_moved(pairs), len(pairs), terms.margin)


def _verdict(
    pairs: Sequence[Pair], left: Left, difference: Difference | None, terms: Terms
) -> tuple[Verdict, str]:
    if difference is None:
        return "not proved", _of_nothing(left)
    if difference.low <= -terms.margin:
        if difference.high < 0 and difference.p_value < _SIGNIFICANT:
            return "worse", "the encoded arm is right less often, beyond chance"
        return "not proved", f"the difference may be as low as {100 * difference.low:.1f} points"
    doubt = _doubt(pairs, left)
    if doubt:
        return "not proved", doubt
    return "proved", f"the encoded arm is at most {100 * max(-difference.low, 0):.1f} points worse"


def _of_nothing(left: Left) -> str:
    if left.failed or left.elsewhere:
        return "no question was answered in both arms by one model"
    return "the layer changed no prompt of this suite: there is nothing to compare"


def _doubt(pairs: Sequence[Pair], left: Left) -> str:
    """Why a good difference proves nothing; "" where it does."""
    right = sum(pair.raw_right for pair in pairs) / len(pairs)
    if right < LEAST_RIGHT:
        return f"the model is right in {right:.0%} of the raw prompts: too few to become fewer"
    if left.encoded > left.raw and statistics.mcnemar(left.raw, left.encoded) < _SIGNIFICANT:
        return "encoded prompts fail more often than raw ones"
    lost = left.failed + left.elsewhere
    if lost > MOST_FAILED * (lost + len(pairs)):
        return f"{lost} questions have no pair of answers"
    return ""


def _twice(pairs: Iterable[Pair], replies: Mapping[Asked, Reply]) -> Iterator[tuple[Question, Reply, Reply]]:
    """The questions that have two raw answers, with these."""
    for pair in pairs:
        again = replies.get((pair.question.id, "raw", 1))
        if again is not None and not again.error:
            yield pair.question, pair.raw[0], again


def _agreeing(answered: Iterable[tuple[Question, Reply, Reply]]) -> Share:
    """How often two answers to a question say the same, right or wrong."""
    found = [form(question, one.text) == form(question, two.text) for question, one, two in answered]
    return share_of(sum(found), len(found))


def _cost(pairs: Sequence[Pair]) -> Cost:
    return Cost(
        sum(reply.prompt_tokens for pair in pairs for reply in pair.raw),
        sum(reply.prompt_tokens for pair in pairs for reply in pair.encoded),
        _ratio(pairs, lambda reply: reply.completion_tokens),
        _ratio(pairs, lambda reply: reply.seconds),
    )


def _ratio(pairs: Sequence[Pair], measure: Callable[[Reply], float]) -> float | None:
    """The median over the pairs of what the encoded arm takes, as a share of what the raw one does."""
    sums = [(sum(map(measure, pair.raw)), sum(map(measure, pair.encoded))) for pair in pairs]
    ratios = [encoded / raw for raw, encoded in sums if raw > 0 and encoded > 0]
    return median(ratios) if ratios else None
