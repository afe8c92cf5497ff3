"""Which phrases of a text get codes, where that is worth a reader's while. Pure."""

from collections.abc import Callable

from scenes.codebook.phrases import Words, repeats, words, worth
from scenes.codebook.selection import Choice, choose

MARKER_TOKENS = 24.0
LEAST_SHARE = 0.08
"""Of a text's tokens. For less no reader should have to look into a legend."""
LONG_CHARACTERS, PIECE_CHARACTERS = 16_000, 2_000
"""Of a longer text two pieces of so many are looked at before all of it is."""
PROMISING_SHARE = 0.02
"""Of their tokens: in prose and in code codes save 0.01 there and less, in what gets codes in the end 0.06 and more."""


def chosen(text: str, allowed: Callable[[str], bool]) -> tuple[Words, list[Choice]] | None:
    """The words of a text and the phrases that get codes; None where these would not save enough."""
    if len(text) > LONG_CHARACTERS and not is_promising(text, allowed):
        return None
    found = words(text)
    if found is None:
        return None
    choices = choose(found, repeats(found), allowed)
    enough = MARKER_TOKENS + LEAST_SHARE * found.after[-1]
    return (found, choices) if saved(choices) >= enough else None


def is_promising(text: str, allowed: Callable[[str], bool]) -> bool:
    """Whether two pieces of a long text say something again."""
    quarter, half = len(text) // 4, PIECE_CHARACTERS // 2
    pieces = (text[place - half : place + half] for place in (quarter, 3 * quarter))
    found = words("\n".join(pieces))
    return found is None or saved(choose(found, repeats(found), allowed)) >= PROMISING_SHARE * found.after[-1]


def saved(choices: list[Choice]) -> float:
    """Tokens that they save together, their lines of the legend paid."""
    return sum(worth(len(each.places), each.tokens) for each in choices)
