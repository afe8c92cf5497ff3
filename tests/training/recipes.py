"""Recipes and runs of tests."""

from collections.abc import Callable
from pathlib import Path

from training.recipe import Recipe, read

SMALL = """
name: tiny
seed: 3
corpus: {{sources: [{source}]}}
base: {{made: {{steps: 4}}}}
training: {{adapters: {{risk: {{}}}}}}
{more}
"""


def recipe_of(folder: Path, source: str = "{desk: 40}", more: str = "") -> Recipe:
    """A recipe whose file is in this folder."""
    file = folder / "recipe.yaml"
    file.write_text(SMALL.format(source=source, more=more))
    return read(file)


class Told:
    """Takes what people are told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)


Teller = Callable[[str], None]
