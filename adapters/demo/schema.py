"""An instance that satisfies a JSON schema, made of a message's words and numbers: deterministic and bounded.

What a schema asks through `not`, `if`, `contains`, `patternProperties` and the like is not looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from adapters.demo import keywords
from adapters.demo.keywords import Exhausted, Unsatisfiable
from adapters.demo.material import Material
from adapters.demo.scalars import CHARACTERS_PER_STEP, OPTIONS_PER_STEP, Scalars

_GENEROUS_DEPTH = 5
"""Down to here optional members are given too; below, and where that grows too large, only what is required."""
_MAX_DEPTH = 48
_MAX_STEPS = 4096
_MAX_HOPS = 32
_MEMBERS_PER_STEP = 32
_ITEMS = 2
_ANYTHING: Mapping[str, Any] = {"type": "string"}


def instance(schema: Any, material: Material) -> Any:
    """A JSON value for this schema; raises Unsatisfiable."""
    try:
        return _Maker(schema, material, _GENEROUS_DEPTH).make(schema, 0)
    except Exhausted:
        return _Maker(schema, material, 0).make(schema, 0)


class _Maker:
    def __init__(self, root: Any, material: Material, generous_depth: int) -> None:
        self._root = root
        self._scalars = Scalars(material, self._spend)
        self._generous_depth = generous_depth
        self._steps = 0
        self._turn = 0  # which of several possible values to make; counts up inside arrays of unique items
        self._kinds: Mapping[str, Callable[[Mapping[str, Any], int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": lambda schema, _: self._scalars.string(schema, self._turn),
            "number": lambda schema, _: self._scalars.number(schema, self._turn, whole=False),
            "integer": lambda schema, _: self._scalars.number(schema, self._turn, whole=True),
            "boolean": lambda *_: self._turn % 2 == 0,
            "null": lambda *_: None,
        }

    def make(self, schema: Any, depth: int) -> Any:
        self._spend(1)
        if depth > _MAX_DEPTH:
            raise Unsatisfiable("it needs values nested too deeply")
        resolved = self._resolved(schema)
        if "const" in resolved:
            return self._given(resolved["const"])
        if "enum" in resolved:
            return self._given(self._scalars.chosen(keywords.array(resolved, "enum"), self._turn))
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
            raise Exhausted("its smallest instance is too large")

    def _given(self, value: Any) -> Any:
        """A value that the schema itself holds: a short schema can ask for a long one many times."""
        if isinstance(value, str | list | dict):
            self._spend(len(msgspec.json.encode(value)) // CHARACTERS_PER_STEP)
        return value

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

    def _either(self, rest: Mapping[str, Any], branches: Sequence[Any], depth: int) -> Any:
        """The first branch that can be made; null comes last, and first where depth has to end."""
        self._spend(len(branches) // OPTIONS_PER_STEP)
        ordered = sorted(branches, key=lambda branch: _is_null(branch) == self._generous(depth))
        reason = Unsatisfiable("a choice has no branches")
        for branch in ordered:
            try:
                return self.make(self._joined(rest, branch), depth + 1)
            except Exhausted:
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
            self._spend(len(name) // CHARACTERS_PER_STEP)
            if name in required:
                missing -= 1
                made[name] = self.make(properties.get(name, others), depth + 1)
            elif len(made) + missing < (most if self._generous(depth) else least):
                self._try(made, name, properties[name], depth)
        while len(made) < least:
            name = self._scalars.word(numbered=True)
            if name not in properties:
                made[name] = self.make(others, depth + 1)
        if len(made) > most:
            raise Unsatisfiable("it requires more members than it allows")
        return made

    def _try(self, made: dict[str, Any], name: str, schema: Any, depth: int) -> None:
        """An optional member is left out where it cannot be made."""
        try:
            made[name] = self.make(schema, depth + 1)
        except Exhausted:
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
            except Exhausted:
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
                self._spend(len(made) // OPTIONS_PER_STEP)
                value = self.make(schema, depth + 1)
                if value not in made:
                    return value
                self._turn += 1
        finally:
            self._turn = before
        raise Unsatisfiable("it requires more different items than it allows")


def _is_null(branch: Any) -> bool:
    return isinstance(branch, dict) and branch.get("type") == "null"
