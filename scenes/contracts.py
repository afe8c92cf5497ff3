"""The seams of the scene language.

    text -> blocks -> fold | codes -> text that says the same in fewer tokens -> the original again

What stands for something else announces itself: a *marker* is a line of its own, `[table rows=60 ...]`, which names
the form and how many lines belong to it, so a text can hold several and be read back without anything beside it.
"""

import re
from typing import Protocol

_ANNOUNCED = r"\[(?:table|log|grep|find|ls|runs|codes|book)(?: [^\n]*)?\]"
MARKER = re.compile(f"^{_ANNOUNCED}$", re.MULTILINE)
"""A line that announces a form. A text that has one of its own is never encoded: nothing could tell the two apart."""

_MARKED = re.compile(rf"\n{_ANNOUNCED}(?=\n|\Z)")
"""The same behind a newline: what begins with a character is found in a seventh of the time."""

LARGEST = 16_000_000
"""Characters of a text: what a few lines of a stranger may stand for is bounded, too."""


def is_marked(text: str) -> bool:
    """Whether a line of it announces a form."""
    return _MARKED.search("\n" + text) is not None


class Counter(Protocol):
    """Counts a text's tokens as one model family does."""

    @property
    def name(self) -> str: ...

    def count(self, text: str) -> int: ...


class Form(Protocol):
    """One way of saying a block in fewer tokens, with every value as it was.

    `fold` gives None where the text is not of this kind, or would not be shorter. `unfold` is its inverse: it gives
    `canonical(text)` again, and raises ValueError for what `fold` cannot have written. `canonical` is the text itself
    but for JSON, where it is the text without the spaces between its tokens.
    """

    @property
    def name(self) -> str:
        """The first word of its marker, and its label in metrics."""

    def fold(self, text: str) -> str | None: ...

    def unfold(self, folded: str) -> str: ...

    def canonical(self, text: str) -> str: ...
