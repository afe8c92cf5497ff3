"""A comparison as people read it, and as the proof that is kept of it. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.ab.comparison import Comparison, Difference, Left, Pair, Share
from app.ab.proofs import Proof

MOST_NEEDED = 100_000
"""Nobody asks more questions than that."""
_ONE_POINT = 0.01


@dataclass(frozen=True, slots=True)
class About:
    """What was compared: by which name the model was asked, where, on which questions; `made` is a time (ISO 8601)."""

    asked: str
    layer: str
    suites: Sequence[str]
    suite_digest: str
    seed: int
    replicates: int
    margin: float
    made: str
    version: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of both arms."""

    name: str
    raw: str
    encoded: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One sort of questions: how many were compared, and what share is right in each arm."""

    name: str
    pairs: int
    raw: float
    encoded: float


def title(about: About, found: Comparison) -> str:
    by = f" ({found.upstream}/{found.model})" if found.model else ""
    return f"{about.asked}{by}, layer {about.layer}, {', '.join(about.suites)}"


def rows(found: Comparison) -> Iterator[Row]:
    """The arms side by side."""
    cost = found.cost
    yield Row("right", _percent(found.raw.share), _percent(found.encoded.share), "of the compared questions")
    yield Row("95 % interval", _interval(found.raw), _interval(found.encoded), "Wilson")
    yield Row(
        "prompt tokens",
        f"{cost.raw_prompt_tokens:,}",
        f"{cost.encoded_prompt_tokens:,}",
        "" if cost.saved_share is None else f"{-cost.saved_share:+.1%}",
    )
    yield Row("completion tokens", "1", _ratio(cost.completion_ratio), "median ratio")
    yield Row("time to the answer", "1", _ratio(cost.seconds_ratio), "median ratio")
    yield Row("the same answer", _share(found.itself), _share(found.other), "as the first raw one says")


def parts(pairs: Sequence[Pair]) -> Sequence[Part]:
    """By sort of question, in the order of their names."""
    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.question.part].append(pair)
    return [
        Part(
            name,
            len(groups[name]),
            sum(pair.raw_right for pair in groups[name]) / len(groups[name]),
            sum(pair.encoded_right for pair in groups[name]) / len(groups[name]),
        )
        for name in sorted(groups)
    ]


def failing(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """The pairs of which an answer is wrong: first those that the encoding lost, then those it gained."""
    found = [pair for pair in pairs if min(pair.raw_right, pair.encoded_right) < 1]
    return sorted(found, key=lambda pair: (pair.difference == 0, pair.difference, pair.question.id))


def counted(found: Comparison) -> str:
    """How many questions were compared, and what became of the others."""
    left = found.left
    said = [f"{len(found.pairs)} compared", f"{left.unchanged} not changed by the layer"]
    if left.failed:
        said.append(f"{left.failed} without an answer (raw alone {left.raw}, encoded alone {left.encoded})")
    if left.elsewhere:
        said.append(f"{left.elsewhere} answered by another model")
    return f"{asked_in_all(found.pairs, left)} questions: {', '.join(said)}"


def asked_in_all(pairs: Sequence[Pair], left: Left) -> int:
    return len(pairs) + left.unchanged + left.failed + left.elsewhere


def distance(found: Difference) -> str:
    """The difference in points, with its intervals and its test."""
    return (
        f"{_points(found.value)} points; 95 %: {_points(found.low)} to {_points(found.high)} "
        f"(bootstrap {_points(found.bootstrap_low)} to {_points(found.bootstrap_high)}); "
        f"{found.gained} gained, {found.lost} lost, McNemar p = {found.p_value:.3g}"
    )


def sentence(about: About, found: Comparison) -> str:
    """The verdict, why, and what would settle it."""
    margin = "1 point" if about.margin == _ONE_POINT else f"{100 * about.margin:g} points"
    said = f"{found.verdict} with a margin of {margin}: {found.why}"
    if found.needed is not None and found.verdict == "not proved":
        return f"{said}; {_more(found.needed - len(found.pairs))}"
    return said


def _more(count: int) -> str:
    if count <= 0:
        return "some more questions would settle it"
    if count > MOST_NEEDED:
        return f"more than {MOST_NEEDED:,} more compared questions would be needed to settle it"
    return f"about {count:,} more compared questions would settle it, if it goes on like this"


def lines(about: About, found: Comparison) -> Iterator[str]:
    """For a terminal."""
    yield title(about, found)
    yield counted(found)
    if found.difference is not None:
        yield ""
        yield f"{'':<20}{'raw':>16}{'encoded':>16}"
        for row in rows(found):
            yield f"{row.name:<20}{row.raw:>16}{row.encoded:>16}  {row.remark}".rstrip()
        yield ""
        for part in parts(found.pairs):
            yield f"{part.name:<28}{part.pairs:>8}{_percent(part.raw):>16}{_percent(part.encoded):>16}"
        yield ""
        yield f"difference  {distance(found.difference)}"
    yield f"verdict     {sentence(about, found)}"


def proof_of(about: About, found: Comparison) -> Proof:
    """What is kept of it."""
    difference = found.difference
    return Proof(
        model=found.model,
        layer=about.layer,
        verdict=found.verdict,
        why=found.why,
        asked=about.asked,
        upstream=found.upstream,
        suites=about.suites,
        suite_digest=about.suite_digest,
        seed=about.seed,
        replicates=about.replicates,
        questions=asked_in_all(found.pairs, found.left),
        pairs=len(found.pairs),
        raw_right=found.raw.share,
        encoded_right=found.encoded.share,
        low=None if difference is None else difference.low,
        high=None if difference is None else difference.high,
        margin=about.margin,
        p_value=None if difference is None else difference.p_value,
        self_agreement=found.itself.share,
        agreement=found.other.share,
        saved_share=found.cost.saved_share,
        completion_ratio=found.cost.completion_ratio,
        seconds_ratio=found.cost.seconds_ratio,
        made=about.made,
        version=about.version,
    )


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _interval(share: Share) -> str:
    return f"{share.low:.1%} to {share.high:.1%}"


def _share(share: Share) -> str:
    return _percent(share.share) if share.count else "-"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
