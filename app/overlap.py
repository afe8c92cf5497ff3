"""Where a continuation repeats what was said before, the repetition is taken away."""

FEWEST = 12
"""A shorter agreement is taken for chance: "ha" may well be followed by "ha"."""
FEWEST_WHOLE = 4
"""The same for the whole text."""
MOST = 4096
"""How far back a repetition may begin, in characters."""


class Repeats(Exception):
    """The continuation begins as the text did, and then goes another way: it cannot be joined."""


class Overlap:
    """Holds the beginning of a continuation back for as long as it may still be a repetition."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tail = text[-MOST:]
        self._held = ""
        self._done = False

    def feed(self, piece: str) -> str:
        """What of the continuation is new for certain. Raises Repeats."""
        if self._done:
            return piece
        self._held += piece
        if self._may_go_on():
            return ""
        return self.rest()

    def rest(self) -> str:
        """What is held, without the repetition."""
        if self._done:
            return ""
        self._done = True
        held, self._held = self._held, ""
        length = len(self._text) if self._begins_anew(held) else _repeated(self._tail, held)
        if length:
            return held[length:]
        if _common(self._text, held) >= FEWEST:
            raise Repeats("the continuation began the answer anew")
        return held

    def _begins_anew(self, held: str) -> bool:
        """Whether the continuation is the whole answer, from its beginning."""
        return len(self._text) >= FEWEST_WHOLE and held.startswith(self._text)

    def _may_go_on(self) -> bool:
        """Whether what is held stands inside the text, so that more of it may follow."""
        held = self._held.lstrip() or self._held
        if len(held) > MOST:
            return False
        return held in self._tail or self._text.startswith(held)


def _repeated(tail: str, held: str) -> int:
    """How many characters at the beginning of `held` repeat the end of `tail`."""
    spaces = len(held) - len(held.lstrip())
    for length in range(min(len(tail), len(held)), FEWEST - 1, -1):
        if tail.endswith(held[:length]):
            return length
        if spaces and tail.endswith(held[spaces : spaces + length]):
            return spaces + length
    return 0


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    other = other.lstrip()
    length = 0
    for length, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return length
    return length + 1 if one and other else 0
