"""What is printed: tables, and the goals beside their figures."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Cell = str | float


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and its bound: at least so much, or at most where `is_most`. `about` tells what the figure hides."""

    title: str
    figure: float
    bound: float
    unit: str
    is_most: bool = False
    about: str = ""

    @property
    def met(self) -> bool:
        return self.figure <= self.bound if self.is_most else self.figure >= self.bound


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was measured."""

    name: str
    tables: Sequence[Table]
    goals: Sequence[Goal]


def markdown(part: Part) -> str:
    """The tables of a part, its goals last."""
    goals = [_goal(goal) for goal in part.goals]
    last = Table(f"Goals: {part.name}", ("goal", "figure", "bound", "", "of it"), goals)
    return "\n\n".join(_table(table) for table in (*part.tables, last))


def _goal(goal: Goal) -> Sequence[str]:
    sign = "≤" if goal.is_most else "≥"
    verdict = "met" if goal.met else "**missed**"
    figure = "-" if math.isnan(goal.figure) else f"{goal.figure:.1f} {goal.unit}"
    return goal.title, figure, f"{sign} {goal.bound:g} {goal.unit}", verdict, goal.about


def _table(table: Table) -> str:
    align = [
        ":--" if all(isinstance(row[at], str) for row in table.rows) else "--:"
        for at in range(len(table.header))
    ]
    rows = [[_cell(cell, table.digits) for cell in row] for row in table.rows]
    return "\n".join((f"**{table.title}**", "", *map(_row, (table.header, align, *rows))))


def _cell(cell: Cell, digits: int) -> str:
    return cell if isinstance(cell, str) else f"{cell:.{digits}f}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
