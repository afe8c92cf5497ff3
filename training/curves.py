"""Figures over steps: a CSV file that grows as they come, and a plot of it."""

import csv
from collections.abc import Sequence
from pathlib import Path

from training.plot import Line, lines_svg


class Curve:
    """A CSV file; a column is a figure, the first of them the step."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._columns = columns

    def add(self, *values: float) -> None:
        new = not self._path.exists()
        with self._path.open("a", newline="") as file:
            table = csv.writer(file)
            if new:
                table.writerow(self._columns)
            table.writerow([f"{value:.6g}" for value in values])

    def cut(self, step: int) -> None:
        """Forgets what is behind a step: it is done anew after a process was killed."""
        rows = [row for row in self.rows() if row[0] < step]
        self._path.unlink(missing_ok=True)
        for row in rows:
            self.add(*row)

    def rows(self) -> Sequence[Sequence[float]]:
        if not self._path.exists():
            return []
        with self._path.open(newline="") as file:
            found = [*csv.reader(file)][1:]
        return [[float(value) for value in row] for row in found if len(row) == len(self._columns)]

    def plot(self, path: Path, column: str, title: str) -> None:
        at = self._columns.index(column)
        points = [(row[0], row[at]) for row in self.rows()]
        path.write_text(lines_svg(title, "steps", [Line(column.replace("_", " "), points)]), encoding="utf-8")
