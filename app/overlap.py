"""The seam between what was said and what goes on with it: what a continuation repeats is taken away."""

FEWEST = 12
"""A shorter agreement is taken for chance: "ha" may well be followed by "ha"."""
FEWEST_WHOLE = 4
"""The same where it is the whole text that is repeated."""
MOST = 4096
"""How far back a repetition may begin, in characters."""


class Repeats(Exception):
    """The continuation cannot be joined: it begins as the text did and goes another way, or what it repeats is so
    regular that nobody can say where it ends.
    """


class Spaces:
    """Takes white space away that the text had ended with already: an upstream is asked to continue the text without it."""

    def __init__(self, text: str) -> None:
        self._spaces = text[len(text.rstrip()) :]
        self._held = ""

    def feed(self, piece: str) -> str:
        """What of the continuation is new for certain."""
        if not self._spaces:
            return piece
        self._held += piece
        if len(self._held) < len(self._spaces) and self._spaces.startswith(self._held):
            return ""
        return self.rest()

    def rest(self) -> str:
        """What is held, without the repetition."""
        held, self._held = self._held, ""
        common = _common(self._spaces, held)
        self._spaces = ""
        return held[common:]


class Overlap:
    """Holds the beginning of a continuation back for as long as it may still be a repetition."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tail = text[-MOST:]
        self._held = ""
        self._done = not text

    def feed(self, piece: str) -> str:
        """What of the continuation is new for certain. Raises Repeats."""
        if self._done:
            return piece
        self._held += piece
        if self._may_go_on():
            return ""
        return self.rest()

    def rest(self) -> str:
        """What is held, without the repetition. Raises Repeats."""
        if self._done:
            return ""
        self._done = True
        held, self._held = self._held, ""
        spaces = len(held) - len(held.lstrip())
        if len(self._text) >= FEWEST_WHOLE and held.startswith(self._text, spaces):
            return held[spaces + len(self._text) :]
        length = _repeated(self._tail, held)
        if not length and _common(self._text, held[spaces:]) >= FEWEST:
            raise Repeats("it begins anew")
        return held[length:]

    def _may_go_on(self) -> bool:
        """Whether what is held stands inside the text, so that more of it may follow."""
        held = self._held.lstrip()
        if len(self._held) > MOST + len(self._tail):
            return False
        return held in self._tail or self._text.startswith(held)


def _repeated(tail: str, held: str) -> int:
    """How many characters at the beginning of `held` repeat the end of `tail`, white space before them included."""
    spaces = len(held) - len(held.lstrip())
    for skipped in {0, spaces}:
        beginning = held[skipped:]
        for length in range(min(len(tail), len(beginning)), FEWEST - 1, -1):
            if tail.endswith(beginning[:length]):
                if _is_regular(beginning[:length]):
                    raise Repeats("it repeats what repeats itself")
                return skipped + length
    return 0


def _is_regular(text: str) -> bool:
    """Whether the text ends as it begins, as "0, 0, 0, " does: then a shorter part of it would fit as well."""
    return any(text.endswith(text[:length]) and text[:length].strip() for length in range(1, len(text)))


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    for length, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return length
    return min(len(one), len(other))
