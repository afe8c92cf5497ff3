"""The strings, numbers and options of an instance, taken from a message in turn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.demo import bounds, keywords, patterns
from adapters.demo.keywords import Exhausted, Unsatisfiable
from adapters.demo.material import Material

_MAX_CHARACTERS = 8192
_PATTERN_STEPS = 64
CHARACTERS_PER_STEP = 32
"""So an instance, of a bounded number of steps, has a bounded length."""
OPTIONS_PER_STEP = 64
_FORMATS: Mapping[str, str] = {
    "date-time": "2026-01-01T12:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "demo@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class Scalars:
    """Hands out a message's words and numbers; `turn` counts the items of an array that must differ."""

    def __init__(self, material: Material, spend: Callable[[int], None]) -> None:
        self._material = material
        self._spend = spend
        self._words_taken = 0
        self._numbers_taken = 0

    def word(self, *, numbered: bool) -> str:
        """The message's words in turn, from the second round on with a number where they must differ."""
        rounds, place = divmod(self._words_taken, len(self._material.words))
        self._words_taken += 1
        word = self._material.words[place]
        return f"{rounds + 1} {word}" if rounds and numbered else word

    def number(self, schema: Mapping[str, Any], turn: int, *, whole: bool) -> float:
        numbers = self._material.numbers
        first = self._numbers_taken % (len(numbers) or 1)
        self._numbers_taken += 1
        try:
            return bounds.number(schema, numbers[first:] + numbers[:first], turn, whole=whole)
        except bounds.NoNumber:
            raise Unsatisfiable("a number's bounds leave none") from None

    def chosen(self, options: Sequence[Any], turn: int) -> Any:
        """The option that the message names, else the first that is not null."""
        if not options:
            raise Unsatisfiable("an 'enum' is empty")
        self._spend(len(options) // OPTIONS_PER_STEP)
        if turn:
            return options[(turn - 1) % len(options)]
        texts = (option for option in options if isinstance(option, str) and option)
        named = (option for option in texts if option.casefold() in self._material.text)
        return next(named, next((option for option in options if option is not None), None))

    def string(self, schema: Mapping[str, Any], turn: int) -> str:
        least = keywords.size(schema, "minLength", 0)
        most = keywords.size(schema, "maxLength", _MAX_CHARACTERS)
        if least > _MAX_CHARACTERS:
            raise Exhausted("a string is too long")
        if least > most:
            raise Unsatisfiable("a string's bounds leave none")
        self._spend(least // CHARACTERS_PER_STEP)
        if "pattern" in schema:
            return self._matching(schema["pattern"], least, most, turn)
        known = _FORMATS.get(str(schema.get("format")))
        if known is not None and least <= len(known) <= most:
            return known
        made = self.word(numbered=turn > 0)
        while len(made) < least:
            made += " " + self.word(numbered=False)
        return made[:most]

    def _matching(self, pattern: Any, least: int, most: int, turn: int) -> str:
        self._spend(_PATTERN_STEPS)
        if not isinstance(pattern, str):
            raise Unsatisfiable("a 'pattern' must be a string")
        try:
            return patterns.match(pattern, least, most, turn)
        except patterns.NotSimple:
            raise Unsatisfiable("a 'pattern' is not one of the simple ones the demo can follow") from None
