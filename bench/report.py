"""What is printed: one table, what it was measured on, and what was wrong with it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.figures import FIGURES, OURS, Figure
from bench.samples import FLOOR, Results

LIMIT = 0.9
"""Share of its core from which the load itself may be what limits a target."""


def markdown(results: Results) -> str:
    """The table with what belongs to it."""
    peers = [target for target in results.targets if target not in {OURS, FLOOR}]
    header = ["", *(f"{target} {version}".strip() for target, version in results.targets.items())]
    header += [*(f"{OURS} : {peer}" for peer in peers), "goal", ""]
    lines = [_row(header), _row([":--", *["--:"] * (len(header) - 2), ":--"])]
    lines += [_row(_cells(figure, results, peers)) for figure in FIGURES if _measured(figure, results)]
    return "\n".join([*lines, "", *_notes(results)])


def write_json(results: Results, path: Path) -> None:
    """Every sample, for whoever wants to compute something else from them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _measured(figure: Figure, results: Results) -> bool:
    return any(figure.value(results, target) is not None for target in results.targets)


def _cells(figure: Figure, results: Results, peers: Sequence[str]) -> list[str]:
    values = [_number(figure.value(results, target), figure.digits) for target in results.targets]
    ratios = [_ratio(figure.ratio(results, peer)) for peer in peers]
    return [figure.title, *values, *ratios, _goal(figure), _verdict(figure.meets(results))]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _ratio(value: float | None) -> str:
    """Below one as the fraction that people say: 1 : 20."""
    if value is None or value <= 0:
        return "-"
    return f"1 : {1 / value:.1f}" if value < 1 else f"{value:.1f} : 1"


def _goal(figure: Figure) -> str:
    goal = figure.goal
    if goal is None:
        return ""
    return f"≤ {goal.at_most:g}" if goal.beside is None else f"≤ 1 : {1 / goal.at_most:.0f}"


def _verdict(met: bool | None) -> str:  # noqa: FBT001 - it is what is said
    return "" if met is None else "met" if met else "**missed**"


def _notes(results: Results) -> list[str]:
    """The conditions of the run, then everything that speaks against its figures."""
    repetitions = len({sample.repetition for sample in results.samples})
    machine = ", ".join(f"{name} {value}".strip() for name, value in results.machine.items())
    notes = [
        f"{results.date}, `{results.command}`: interleaved repetitions: {repetitions}, medians. {machine}.",
        "",
        *(f"- {name}: {about}" for name, about in results.cells.items()),
        f"- {_speed(results)}",
        *(f"- {doubt}" for doubt in _doubts(results)),
    ]
    return [*notes, *(f"- INVALID, not counted: {fault}" for fault in results.faults())]


def _speed(results: Results) -> str:
    """How even the machine was. A core that idles is slower, so only the same load is compared."""
    probes: dict[tuple[str, str], list[int]] = {}
    for sample in results.samples:
        probes.setdefault((sample.target, sample.cell), []).append(sample.probe_ns)
    spread = max(max(seen) / min(seen) for seen in probes.values())
    foreign = max(sample.foreign_cores for sample in results.samples)
    return (
        f"The probe's work cost up to {spread:.2f} times as much CPU time in one repetition as in another of the same "
        f"cell; other processes used up to {foreign:.2f} of the target's core."
    )


def _doubts(results: Results) -> list[str]:
    """Cells in which the load generator may have been the limit."""
    return [
        f"{sample.cell} on {sample.target}, repetition {sample.repetition + 1}: the load used "
        f"{sample.load_cores:.2f} of its core, requests/s may be its limit"
        for sample in results.samples
        if sample.load_cores > LIMIT and sample.target != FLOOR
    ]
