"""JSON documents that are hard to fold: names and values that look like the syntax of tables."""

import json
from random import Random

from hypothesis import strategies as st

_HARD_NAMES = (
    *(
        "id",
        "name",
        "city",
        "total",
        "user id",
        "a.b",
        "#",
        "",
        "x,y",
        '"',
        "[t]",
        "{",
        "a: b",
        "=",
        "|",
        "1",
    ),
    *("\n", "\\", "é", "цена", "at 2", "each: ", "-", " s", "s ", "a:str", "\ue000", "%s", "\x01"),
)
_HARD_STRINGS = (
    *(
        "1",
        "-0",
        "1.5e3",
        "true",
        "null",
        "",
        " ",
        "a,b",
        "[x]",
        "{",
        '"',
        "\\",
        "a ",
        " a",
        "\n",
        "x: y",
        "ok",
    ),
    *(
        "[table lines=1 rows=2]",
        " | at 1",
        "a=b",
        "a|b",
        "\u2028",
        "\x85",
        "\ue001",
        "done",
        "007",
        "/",
        "]",
        "}",
    ),
)
_NUMBERS = ("0", "-0", "1.0", "1e5", "1E+2", "0.10", "12345678901234567890123", "1e999", "0.1e-7", "17")
_OTHERS = ("true", "false", "null", "[]", "{}", '["a","b"]', '[1,[2,{"a":[]}]]', '{"a":{}}', "[{}]", "[[]]")


def _written(value: str, way: int) -> str:
    """A string as JSON, in one of the ways that it may be written."""
    text = json.dumps(value, ensure_ascii=way == 0)
    return text.replace("/", "\\/") if way == 2 else text


_ANY = st.text(st.characters(codec="utf-8"), max_size=5)
_TEXTS = st.tuples(st.sampled_from(_HARD_STRINGS) | _ANY, st.integers(0, 2)).map(
    lambda drawn: _written(*drawn)
)
NAMES = st.tuples(st.sampled_from(_HARD_NAMES) | _ANY, st.integers(0, 2)).map(lambda drawn: _written(*drawn))
LEXEMES = st.one_of(_TEXTS, st.integers().map(str), st.sampled_from(_NUMBERS), st.sampled_from(_OTHERS))


class _Grown:
    """A document of these names and values, arranged by chance: an uneven one where `uneven` says how often."""

    def __init__(self, names: list[str], lexemes: list[str], random: Random) -> None:
        self._names = names
        self._lexemes = lexemes
        self._random = random
        self._uneven = random.choice((0.0, 0.0, 0.1, 0.4))

    def text(self) -> str:
        kind = self._random.random()
        if kind < 0.15:
            rows = self._rows(0)
            return "\n".join(rows) + self._random.choice(("", "\n"))
        return self._listed(self._rows(0)) if kind < 0.6 else self._object(self._members(0))

    def _rows(self, level: int) -> list[str]:
        """Objects of the same members, but where it is uneven."""
        makers = [(name, self._maker(level)) for name in self._members_of()]
        rows = []
        for _ in range(self._random.choice((1, 2, 3, 5, 12))):
            pairs = [(name, make()) for name, make in makers if not self._now()]
            if self._random.random() < self._uneven / 4:
                self._random.shuffle(pairs)
            rows.append(self._object(pairs))
        return rows

    def _maker(self, level: int):
        """What makes the values of one column."""
        kind = self._random.random()
        alone = self._random.choice(self._lexemes)
        if level < 3 and kind < 0.2:
            inner = self._members_of()
            makers = [(name, self._maker(level + 1)) for name in inner]
            return lambda: self._or_any(self._object([(n, make()) for n, make in makers if not self._now()]))
        if level < 3 and kind < 0.4:
            return lambda: self._or_any(self._random.choice(("[]", self._listed(self._rows(level + 1)))))
        if level < 3 and kind < 0.5:
            return lambda: self._or_any(self._random.choice(("{}", self._keyed(level + 1))))
        return (lambda: alone) if kind < 0.65 else lambda: self._random.choice(self._lexemes)

    def _members(self, level: int) -> list[tuple[str, str]]:
        return [(name, self._value(level)) for name in self._members_of()]

    def _value(self, level: int) -> str:
        kind = self._random.random()
        if kind < 0.5:
            return self._listed(self._rows(1))
        if kind < 0.6:
            return self._keyed(1)
        if kind < 0.75 and level < 3:
            return self._object(self._members(level + 1))
        return self._random.choice(self._lexemes)

    def _keyed(self, level: int) -> str:
        """An object of like objects, by names that are data."""
        rows = self._rows(level)
        return self._object([(f'"{self._random.randrange(10**6)}"', row) for row in rows])

    def _members_of(self) -> list[str]:
        return self._random.sample(self._names, self._random.randint(1, len(self._names)))

    def _now(self) -> bool:
        return self._random.random() < self._uneven

    def _or_any(self, lexeme: str) -> str:
        return self._random.choice(self._lexemes) if self._now() else lexeme

    def _listed(self, lexemes: list[str]) -> str:
        return "[" + ",".join(lexemes) + "]"

    def _object(self, pairs: list[tuple[str, str]]) -> str:
        return "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"


def _arranged(drawn: tuple[list[str], list[str], int]) -> str:
    names, lexemes, seed = drawn
    return _Grown(names, lexemes, Random(seed)).text()


DOCUMENTS = st.tuples(
    st.lists(NAMES, min_size=1, max_size=5), st.lists(LEXEMES, min_size=1, max_size=6), st.integers(0, 2**32)
).map(_arranged)
"""Texts of JSON or JSON Lines: names and values from Hypothesis, arranged by a seed of its own."""
