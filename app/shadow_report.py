"""What shadows answered beside the models they follow, summed up. Pure."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from app.allowance import NANO_USD
from app.store.shadows import Comparison, Side


@dataclass(frozen=True, slots=True)
class Sided:
    """One of the two: how many answers failed, and of the others seconds, tokens and finish."""

    failures: int
    first_median_seconds: float | None
    first_p95_seconds: float | None
    median_seconds: float | None
    p95_seconds: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    """Of the calls whose price is known on both sides."""


@dataclass(frozen=True, slots=True)
class Report:
    """The comparisons of one name with one shadow. Shares are of the pairs that can be compared; None is of none."""

    model: str
    shadow_model: str
    calls: int
    own: Sided
    shadow: Sided
    similarity_lower: float | None
    similarity_median: float | None
    similarity_upper: float | None
    same_calls: float | None
    same_json: float | None
    same_finish: float | None


def reports(comparisons: Iterable[Comparison]) -> Sequence[Report]:
    """One for each name and each model that was its shadow, in the order of their names."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for each in comparisons:
        groups.setdefault((each.alias, f"{each.shadow.upstream}/{each.shadow.model}"), []).append(each)
    return [_report(*name, groups[name]) for name in sorted(groups)]


def _report(alias: str, shadow: str, found: Sequence[Comparison]) -> Report:
    priced = [each for each in found if None not in {each.own.nano_usd, each.shadow.nano_usd}]
    alike = [each.similarity for each in found if each.similarity is not None]
    good = [each for each in found if each.own.outcome == each.shadow.outcome == "ok"]
    return Report(
        alias,
        shadow,
        len(found),
        _sided([each.own for each in found], [each.own for each in priced]),
        _sided([each.shadow for each in found], [each.shadow for each in priced]),
        quantile(alike, 0.25),
        quantile(alike, 0.5),
        quantile(alike, 0.75),
        _share(each.same_calls for each in found),
        _share(each.same_json for each in found),
        _share(each.own.finish == each.shadow.finish for each in good),
    )


def _sided(sides: Sequence[Side], priced: Sequence[Side]) -> Sided:
    first = [side.first_seconds for side in sides if side.first_seconds is not None]
    seconds = [side.seconds for side in sides if side.seconds is not None]
    return Sided(
        sum(side.outcome != "ok" for side in sides),
        quantile(first, 0.5),
        quantile(first, 0.95),
        quantile(seconds, 0.5),
        quantile(seconds, 0.95),
        sum(side.input_tokens for side in sides),
        sum(side.output_tokens for side in sides),
        sum(side.nano_usd or 0 for side in priced) / NANO_USD if priced else None,
    )


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that so large a share of them does not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else None


def _share(judged: Iterable[bool | None]) -> float | None:
    known = [each for each in judged if each is not None]
    return sum(known) / len(known) if known else None


_OF_BOTH = ("model", "shadow_model", "calls")
_OF_PAIRS = tuple(each.name for each in fields(Report) if each.name.startswith(("similarity", "same")))


def table(found: Sequence[Report]) -> str:
    """As CSV, with a head; what is not known is empty."""
    text = io.StringIO()
    written = csv.DictWriter(text, _columns())
    written.writeheader()
    written.writerows(map(_row, found))
    return text.getvalue()


def _columns() -> Sequence[str]:
    sided = [f"{side}_{each.name}" for side in ("own", "shadow") for each in fields(Sided)]
    return [*_OF_BOTH, *sided, *_OF_PAIRS]


def _row(report: Report) -> Mapping[str, object]:
    row = {name: getattr(report, name) for name in (*_OF_BOTH, *_OF_PAIRS)}
    for side in ("own", "shadow"):
        row |= {f"{side}_{name}": value for name, value in asdict(getattr(report, side)).items()}
    return row


def lines(report: Report) -> Iterator[str]:
    """For people."""
    own, shadow = report.own, report.shadow
    yield f"{report.model}, shadowed by {report.shadow_model}: {report.calls} calls"
    yield _line("", "own", "shadow")
    yield _line("failures", str(own.failures), str(shadow.failures))
    for said, name in (("first content", "first_"), ("duration", "")):
        for of in ("median", "p95"):
            seconds = [_seconds(getattr(side, f"{name}{of}_seconds")) for side in (own, shadow)]
            yield _line(f"{said}, {of}", *seconds)
    yield _line("input tokens", str(own.input_tokens), str(shadow.input_tokens))
    yield _line("output tokens", str(own.output_tokens), str(shadow.output_tokens))
    yield _line("cost", _usd(own.cost_usd), _usd(shadow.cost_usd), _difference(own.cost_usd, shadow.cost_usd))
    quartiles = (report.similarity_lower, report.similarity_median, report.similarity_upper)
    yield f"  similarity (quartiles)  {', '.join(map(_number, quartiles))}"
    yield f"  the same calls of tools {_percent(report.same_calls)}"
    yield f"  the same JSON           {_percent(report.same_json)}"
    yield f"  the same finish         {_percent(report.same_finish)}"


def _line(name: str, own: str, shadow: str, remark: str = "") -> str:
    return f"  {name:<22}{own:>14}{shadow:>14}  {remark}".rstrip()


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f} s"


def _usd(usd: float | None) -> str:
    return "-" if usd is None else f"${usd:.6f}"


def _difference(own: float | None, shadow: float | None) -> str:
    return "" if not own or shadow is None else f"{(shadow - own) / own:+.1%}"


def _number(number: float | None) -> str:
    return "-" if number is None else f"{number:.2f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
