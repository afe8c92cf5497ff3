"""An instance that satisfies a JSON schema, made of a message's words and numbers: deterministic and bounded.

What a schema asks through `not`, `if`, `contains`, `patternProperties` and the like is not looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.demo import bounds, keywords, patterns
from adapters.demo.keywords import Unsatisfiable
from adapters.demo.material import Material

_GENEROUS_DEPTH = 5
"""Down to here optional members are given too; below, and where that grows too large, only what is required."""
_MAX_DEPTH = 48
_MAX_STEPS = 4096
_MAX_HOPS = 32
_MAX_CHARACTERS = 8192
_PATTERN_STEPS = 64
_MEMBERS_PER_STEP = 32
_ITEMS = 2
_ANYTHING: Mapping[str, Any] = {"type": "string"}
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


class _Exhausted(Unsatisfiable):
    """The instance is too large; another branch would not help."""


def instance(schema: Any, material: Material) -> Any:
    """A JSON value for this schema; raises Unsatisfiable."""
    try:
        return _Maker(schema, material, _GENEROUS_DEPTH).make(schema, 0)
    except _Exhausted:
        return _Maker(schema, material, 0).make(schema, 0)


class _Maker:
    def __init__(self, root: Any, material: Material, generous_depth: int) -> None:
        self._root = root
        self._material = material
        self._generous_depth = generous_depth
        self._steps = 0
        self._words_taken = 0
        self._numbers_taken = 0
        self._turn = 0  # which of several possible values to make; counts up inside arrays of unique items
        self._kinds: Mapping[str, Callable[[Mapping[str, Any], int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "number": lambda schema, _: self._number(schema, whole=False),
            "integer": lambda schema, _: self._number(schema, whole=True),
            "boolean": lambda *_: self._turn % 2 == 0,
            "null": lambda *_: None,
        }

    def make(self, schema: Any, depth: int) -> Any:
        self._spend(1)
        if depth > _MAX_DEPTH:
            raise Unsatisfiable("it needs values nested too deeply")
        resolved = self._resolved(schema)
        if "const" in resolved:
            return resolved["const"]
        if "enum" in resolved:
            return self._chosen(keywords.array(resolved, "enum"))
        for name in ("anyOf", "oneOf"):
            if name in resolved:
                rest = {key: value for key, value in resolved.items() if key != name}
                return self._either(rest, keywords.array(resolved, name), depth)
        kinds = keywords.kinds(resolved)
        if len(kinds) > 1:
            return self._either(resolved, [{"type": kind} for kind in kinds], depth)
        return self._kinds[kinds[0]](resolved, depth)

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > _MAX_STEPS:
            raise _Exhausted("its smallest instance is too large")

    def _generous(self, depth: int) -> bool:
        return depth < self._generous_depth

    def _resolved(self, schema: Any, hops: int = 0) -> Mapping[str, Any]:
        """The schema with its reference and its `allOf` put in place."""
        if hops > _MAX_HOPS:
            raise Unsatisfiable("its references go round in a circle")
        if schema is True:
            return _ANYTHING
        if not isinstance(schema, dict):
            raise Unsatisfiable("false allows nothing" if schema is False else "a schema must be an object")
        if "$ref" in schema:
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return self._resolved(self._joined(keywords.pointed(self._root, schema["$ref"]), rest), hops + 1)
        if "allOf" not in schema:
            return schema
        whole: Any = {key: value for key, value in schema.items() if key != "allOf"}
        for part in keywords.array(schema, "allOf"):
            whole = self._joined(whole, part if part is True else self._resolved(part, hops + 1))
        return self._resolved(whole, hops + 1)

    def _joined(self, first: Any, second: Any) -> Any:
        both = keywords.joined(first, second)
        if isinstance(both, dict):
            self._spend(1 + (len(both) + len(keywords.mapping(both, "properties"))) // _MEMBERS_PER_STEP)
        return both

    def _chosen(self, options: Sequence[Any]) -> Any:
        """The option that the message names, else the first that is not null."""
        if not options:
            raise Unsatisfiable("an 'enum' is empty")
        if self._turn:
            return options[(self._turn - 1) % len(options)]
        texts = (option for option in options if isinstance(option, str) and option)
        named = (option for option in texts if option.casefold() in self._material.text)
        return next(named, next((option for option in options if option is not None), None))

    def _either(self, rest: Mapping[str, Any], branches: Sequence[Any], depth: int) -> Any:
        """The first branch that can be made; null comes last, and first where depth has to end."""
        ordered = sorted(branches, key=lambda branch: _is_null(branch) == self._generous(depth))
        reason = Unsatisfiable("a choice has no branches")
        for branch in ordered:
            try:
                return self.make(self._joined(rest, branch), depth + 1)
            except _Exhausted:
                raise
            except Unsatisfiable as error:
                reason = error
        raise reason

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = keywords.mapping(schema, "properties")
        required = set(keywords.strings(schema, "required"))
        others = schema.get("additionalProperties", True)
        least = keywords.size(schema, "minProperties", 0)
        most = keywords.size(schema, "maxProperties", least + len(properties) + len(required) + 1)
        if not properties and isinstance(others, dict) and self._generous(depth):
            least = max(least, min(1, most))
        missing, made = len(required), dict[str, Any]()
        for name in [*properties, *sorted(required - properties.keys())]:
            if name in required:
                missing -= 1
                made[name] = self.make(properties.get(name, others), depth + 1)
            elif len(made) + missing < (most if self._generous(depth) else least):
                self._try(made, name, properties[name], depth)
        while len(made) < least:
            name = self._next_word(numbered=True)
            if name not in properties:
                made[name] = self.make(others, depth + 1)
        if len(made) > most:
            raise Unsatisfiable("it requires more members than it allows")
        return made

    def _try(self, made: dict[str, Any], name: str, schema: Any, depth: int) -> None:
        """An optional member is left out where it cannot be made."""
        try:
            made[name] = self.make(schema, depth + 1)
        except _Exhausted:
            raise
        except Unsatisfiable:
            return

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        items = schema.get("items", True)
        prefix = keywords.array(schema, "prefixItems")
        if isinstance(items, list):  # how drafts before 2020-12 wrote a tuple
            prefix, items = items, schema.get("additionalItems", True)
        unique = schema.get("uniqueItems") is True
        least = keywords.size(schema, "minItems", 0)
        most = keywords.size(schema, "maxItems", max(least, _ITEMS, len(prefix)))
        if least > most:
            raise Unsatisfiable("it requires more items than it allows")
        wanted = (
            max(least, min(most, len(prefix) or (1 if unique else _ITEMS)))
            if self._generous(depth)
            else least
        )
        made: list[Any] = []
        while len(made) < wanted:
            part = prefix[len(made)] if len(made) < len(prefix) else items
            try:
                made.append(self._unlike(part, made, depth) if unique else self.make(part, depth + 1))
            except _Exhausted:
                raise
            except Unsatisfiable:
                if len(made) < least:
                    raise
                break
        return made

    def _unlike(self, schema: Any, made: Sequence[Any], depth: int) -> Any:
        """An item that is not among those already made."""
        before, self._turn = self._turn, len(made)
        try:
            for _ in range(2 * len(made) + 2):
                value = self.make(schema, depth + 1)
                if value not in made:
                    return value
                self._turn += 1
        finally:
            self._turn = before
        raise Unsatisfiable("it requires more different items than it allows")

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> float:
        numbers = self._material.numbers
        first = self._numbers_taken % (len(numbers) or 1)
        self._numbers_taken += 1
        try:
            return bounds.number(schema, numbers[first:] + numbers[:first], self._turn, whole=whole)
        except bounds.NoNumber:
            raise Unsatisfiable("a number's bounds leave none") from None

    def _string(self, schema: Mapping[str, Any], depth: int) -> str:
        least = keywords.size(schema, "minLength", 0)
        most = keywords.size(schema, "maxLength", _MAX_CHARACTERS)
        if least > most:
            raise Unsatisfiable("a string's bounds leave none")
        if least > _MAX_CHARACTERS:
            raise _Exhausted("a string is too long")
        if "pattern" in schema:
            return self._matching(schema["pattern"], least, most)
        known = _FORMATS.get(str(schema.get("format")))
        if known is not None and least <= len(known) <= most:
            return known
        made = self._next_word(numbered=self._turn > 0)
        while len(made) < least:
            made += " " + self._next_word(numbered=False)
        return made[:most]

    def _matching(self, pattern: Any, least: int, most: int) -> str:
        self._spend(_PATTERN_STEPS)
        if not isinstance(pattern, str):
            raise Unsatisfiable("a 'pattern' must be a string")
        try:
            return patterns.match(pattern, least, most, self._turn)
        except patterns.NotSimple:
            raise Unsatisfiable(
                "a 'pattern' is not one of the simple ones the demo upstream can follow"
            ) from None

    def _next_word(self, *, numbered: bool) -> str:
        """The message's words in turn, from the second round on with a number where they must differ."""
        rounds, place = divmod(self._words_taken, len(self._material.words))
        self._words_taken += 1
        word = self._material.words[place]
        return f"{rounds + 1} {word}" if rounds and numbered else word


def _is_null(branch: Any) -> bool:
    return isinstance(branch, dict) and branch.get("type") == "null"
