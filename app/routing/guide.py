"""The guide to models as Markdown, made from the catalogue: `python -m app.routing.guide docs/models.md`."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.config.routing import Task
from app.routing.catalogue import TASKS, Catalogue, Entry, shipped

BEGIN = "<!-- {}: made by `python -m app.routing.guide` -->"
END = "<!-- end of {} -->"
_NAMED = 2
"""Models of a cell of the guide."""
_GOOD = 3.5
_ABILITY_WEIGHT, _QUALITY_WEIGHT = 0.8, 0.2

_PLACES: Sequence[tuple[str, Callable[[Entry], bool]]] = (
    ("To 4 billion", lambda entry: _billion(entry) <= 4),
    ("To 15 billion", lambda entry: 4 < _billion(entry) <= 15),
    ("To 36 billion", lambda entry: 15 < _billion(entry) <= 36),
    ("Nebius", lambda entry: entry.hosted),
)
"""Where a model may run: by its parameters, or hosted."""


def task_table(catalogue: Catalogue) -> str:
    """What is best at each task, by where it may run."""
    heads = ["Task", *(head for head, _ in _PLACES)]
    rows = [[f"`{task}`", *(_best(catalogue, task, fits) for _, fits in _PLACES)] for task in TASKS]
    return "\n".join(_lines([heads, ["---"] * len(heads), *rows]))


def model_table(catalogue: Catalogue) -> str:
    heads = [
        "Model",
        "Billions",
        "Context",
        "Takes",
        "Tools",
        "Thinks",
        "Speed",
        "Quality",
        "Good at",
        "Nebius",
    ]
    rows = [_row(entry) for entry in catalogue.entries]
    return "\n".join(_lines([heads, ["---"] * len(heads), *rows]))


def with_tables(page: str, catalogue: Catalogue) -> str:
    """The page with the tables between its marks made anew."""
    for name, table in (("tasks", task_table(catalogue)), ("models", model_table(catalogue))):
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return page


def _best(catalogue: Catalogue, task: Task, fits: Callable[[Entry], bool]) -> str:
    able = [entry for entry in catalogue.entries if fits(entry) and task in entry.strengths]
    able.sort(key=lambda entry: (_score(entry, task), entry.speed), reverse=True)
    return ", ".join(f"{_short(entry)} {entry.strengths[task]:g}" for entry in able[:_NAMED]) or "-"


def _score(entry: Entry, task: Task) -> float:
    return _ABILITY_WEIGHT * entry.strengths[task] + _QUALITY_WEIGHT * entry.quality


def _row(entry: Entry) -> list[str]:
    size = "?" if entry.parameters_billion is None else f"{entry.parameters_billion:g}"
    active = "" if entry.active_billion is None else f" ({entry.active_billion:g} active)"
    more = "" if entry.extended_tokens is None else f" (to {entry.extended_tokens:,})"
    good = [f"{task} {stars:g}" for task, stars in entry.strengths.items() if stars >= _GOOD]
    return [
        f"`{entry.id}`",
        size + active,
        f"{entry.context_tokens:,}{more}",
        ", ".join(entry.modalities),
        "yes" if entry.tools else "no",
        entry.thinking,
        str(entry.speed),
        str(entry.quality),
        ", ".join(good) or _most(entry),
        "yes" if entry.hosted else f"until {entry.retired}" if entry.retired else "",
    ]


def _most(entry: Entry) -> str:
    task = max(entry.strengths, key=lambda task: entry.strengths[task])
    return f"{task} {entry.strengths[task]:g}"


def _short(entry: Entry) -> str:
    return entry.id.rpartition("/")[2]


def _billion(entry: Entry) -> float:
    return entry.parameters_billion or float("inf")


def _lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    return (f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(with_tables(page.read_text("utf-8"), shipped()), "utf-8")
