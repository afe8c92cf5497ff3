"""A string that matches a simple regular expression, without running the expression.

Literals, classes, groups, alternatives, anchors and quantifiers are simple; what looks around or back is not.
"""

import re
import string
from dataclasses import dataclass

_ALPHABET = (
    string.ascii_lowercase + string.digits + string.ascii_uppercase + "_-. /:@#%&+=,;!?~*()<>[]{}|'\"`^$\\"
)
_CLASSES = {
    "d": string.digits,
    "w": string.ascii_lowercase + string.digits + string.ascii_uppercase + "_",
    "s": " ",
    "D": string.ascii_lowercase,
    "W": "-",
    "S": string.ascii_lowercase + string.digits,
    "t": "\t",
    "n": "\n",
    "r": "\r",
}
_QUANTIFIER = re.compile(r"(?:([*+?])|\{(\d{1,9})(?:(,)(\d{1,9})?)?\})[?+]?")
_GROUP = re.compile(r"\((?:\?:|\?P?<[A-Za-z_]\w*>)?(?!\?)")
_MAX_PATTERN = 512
_MAX_DEPTH = 24
_MAX_RANGE = 128
"""More of a range is never looked at: a class is asked for a few members, and what it excludes is ASCII."""
_MAX_REPEATS = 1024
_MAX_STEPS = 4096
_MAX_EXTRA = 256
_UNBOUNDED = 1 << 30
_SURROGATES = range(0xD800, 0xE000)


class NotSimple(ValueError):
    """The expression is none that a match can be made for."""


@dataclass(frozen=True, slots=True)
class _Char:
    options: str


@dataclass(frozen=True, slots=True)
class _Repeat:
    node: "_Node"
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class _Either:
    """Alternatives, each a sequence; a sequence alone is the only alternative."""

    options: tuple[tuple["_Node", ...], ...]


_Node = _Char | _Repeat | _Either


def match(pattern: str, shortest: int = 0, longest: int = _MAX_STEPS, turn: int = 0) -> str:
    """A match whose length is within the bounds; another `turn` makes another one where it can."""
    if len(pattern) > _MAX_PATTERN:
        raise NotSimple
    tree = _Parser(pattern).parse()
    writer = _Writer(turn)
    for extra in (2, 0, 1, *range(3, min(_MAX_EXTRA, shortest) + 1)):
        made = writer.written(tree, extra)
        if shortest <= len(made) <= longest:
            return made
    raise NotSimple


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def parse(self) -> _Node:
        tree = self._either()
        if self._at != len(self._pattern):
            raise NotSimple
        return tree

    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _either(self) -> _Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotSimple
        options = [self._sequence()]
        while self._next() == "|":
            self._at += 1
            options.append(self._sequence())
        self._depth -= 1
        return _Either(tuple(options))

    def _sequence(self) -> tuple[_Node, ...]:
        start, nodes = self._at, list[_Node]()
        while self._next() not in {"", "|", ")"}:
            if self._anchored(start):
                self._at += 1
            else:
                nodes.append(self._quantified(self._atom()))
        return tuple(nodes)

    def _anchored(self, start: int) -> bool:
        """Whether an anchor stands here, at an end of the whole pattern or of one of its alternatives."""
        before, after = self._pattern[: self._at], self._pattern[self._at + 1 :]
        if self._next() == "^":
            return self._at == start and (self._depth == 1 or not before.strip("(?:"))
        return self._next() == "$" and (after[:1] in {"", "|"} if self._depth == 1 else not after.strip(")"))

    def _atom(self) -> _Node:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char in "*+?{^$":
            raise NotSimple
        self._at += 1
        if char == "\\":
            return _Char(self._escaped())
        return _Char(_ALPHABET if char == "." else char)

    def _group(self) -> _Node:
        opened = _GROUP.match(self._pattern, self._at)
        if opened is None:
            raise NotSimple
        self._at = opened.end()
        node = self._either()
        if self._next() != ")":
            raise NotSimple
        self._at += 1
        return node

    def _escaped(self) -> str:
        char = self._next()
        self._at += 1
        if char in _CLASSES:
            return _CLASSES[char]
        if not char or char.isalnum():
            raise NotSimple
        return char

    def _class(self) -> _Node:
        self._at += 1
        negated = self._next() == "^"
        self._at += negated
        options = ""
        while self._next() != "]":
            options += self._range()
        self._at += 1
        if negated:
            options = "".join(char for char in _ALPHABET if char not in options)
        if not options:
            raise NotSimple
        return _Char(options)

    def _range(self) -> str:
        low = self._member()
        if self._next() != "-" or self._pattern[self._at + 1 : self._at + 2] in {"]", ""}:
            return low
        self._at += 1
        high = self._member()
        if len(low) != 1 or len(high) != 1 or low > high:
            raise NotSimple
        codes = range(ord(low), min(ord(high), ord(low) + _MAX_RANGE) + 1)
        return "".join(chr(code) for code in codes if code not in _SURROGATES)

    def _member(self) -> str:
        char = self._next()
        self._at += 1
        if char in {"", "["}:
            raise NotSimple
        return self._escaped() if char == "\\" else char

    def _quantified(self, node: _Node) -> _Node:
        found = _QUANTIFIER.match(self._pattern, self._at)
        if found is None:
            return node
        self._at = found.end()
        sign, least, comma, most = found.groups()
        if sign:
            return _Repeat(node, int(sign == "+"), 1 if sign == "?" else _UNBOUNDED)
        low = int(least)
        high = int(most) if most else (_UNBOUNDED if comma else low)
        if high < low or low > _MAX_REPEATS:
            raise NotSimple
        return _Repeat(node, low, high)


class _Writer:
    """Writes matches, of which all together may take a bounded number of steps."""

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self._steps = 0
        self._extra = 0

    def written(self, node: _Node, extra: int) -> str:
        self._extra = extra
        return self._write(node)

    def _write(self, node: _Node) -> str:
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise NotSimple
        if isinstance(node, _Char):
            return node.options[(self._turn + self._steps) % len(node.options)]
        if isinstance(node, _Repeat):
            times = min(node.most, max(node.least, self._extra))
            return "".join(self._write(node.node) for _ in range(times))
        option = node.options[self._turn % len(node.options)]
        return "".join(self._write(part) for part in option)
