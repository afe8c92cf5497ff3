"""How many tokens a text has, roughly, without any vocabulary: from the kinds of its characters and which follow which.

A table tells for each pair of kinds how many tokens such a step adds on average: a letter after a letter adds 0.05, a
digit after a letter one. Two tables stand for all families: one where each digit is a token (Qwen, Mistral), one where
three are. `python -m bench.rough` fits them against six vocabularies; docs/scenes.md has the errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scenes.rough_tables import DIGITS, TRIPLES


@dataclass(frozen=True, slots=True)
class Rough:
    """Counts by a table of weights, in hundredths of a token; whole ones, the same on every machine."""

    name: str
    table: str

    def count(self, text: str) -> int:
        from scenes.rough_counting import counted  # noqa: PLC0415 - numpy

        return counted(text, self.table)


ROUGH: Sequence[Rough] = (Rough("rough-digits", DIGITS), Rough("rough-triples", TRIPLES))
"""Both: what saves by both saves almost surely, whatever a model cuts text into."""
