"""A JSON schema's keywords, read with their types checked."""

from collections.abc import Mapping, Sequence
from typing import Any

KINDS = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_HINTS: Sequence[tuple[str, frozenset[str]]] = (
    (
        "object",
        frozenset({"properties", "required", "additionalProperties", "minProperties", "maxProperties"}),
    ),
    ("array", frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"})),
    ("number", frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})),
)


class Unsatisfiable(ValueError):
    """Nothing satisfies the schema, or it asks for more than the demo can make; the message says what."""


class Exhausted(Unsatisfiable):
    """The instance is too large; another branch would not help."""


def kinds(schema: Mapping[str, Any]) -> Sequence[str]:
    """The types a schema allows, or the one that its other members speak of."""
    named = schema.get("type")
    if named is None:
        return [next((kind for kind, members in _HINTS if members & schema.keys()), "string")]
    options = [named] if isinstance(named, str) else named
    if (
        not isinstance(options, list)
        or not options
        or not all(isinstance(k, str) and k in KINDS for k in options)
    ):
        raise Unsatisfiable("a 'type' is not one of JSON's")
    return options


def joined(first: Any, second: Any) -> Any:
    """One schema that asks for what both ask for; of a member that cannot be joined, the second's."""
    if first is False or second is False:
        return False
    if first is True or second is True:
        return second if first is True else first
    if not isinstance(first, dict) or not isinstance(second, dict):
        raise Unsatisfiable("a schema must be an object")
    both = {**first, **second}
    if "properties" in first and "properties" in second:
        both["properties"] = {**mapping(first, "properties"), **mapping(second, "properties")}
    if "required" in first and "required" in second:
        both["required"] = [*array(first, "required"), *array(second, "required")]
    return both


def pointed(root: Any, reference: Any) -> Any:
    """What a reference into the schema itself points at."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise Unsatisfiable("a '$ref' must point into the schema itself")
    found = root
    for name in reference[1:].split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and key in map(str, range(len(found))):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            raise Unsatisfiable("a '$ref' points at nothing")
    return found


def mapping(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = schema.get(name, {})
    if not isinstance(value, dict):
        raise Unsatisfiable(f"'{name}' must be an object")
    return value


def array(schema: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = schema.get(name, [])
    if not isinstance(value, list):
        raise Unsatisfiable(f"'{name}' must be an array")
    return value


def strings(schema: Mapping[str, Any], name: str) -> Sequence[str]:
    value = array(schema, name)
    if not all(isinstance(item, str) for item in value):
        raise Unsatisfiable(f"'{name}' must be an array of strings")
    return value


def size(schema: Mapping[str, Any], name: str, default: int) -> int:
    value = schema.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
        raise Unsatisfiable(f"'{name}' must be a whole number of at least 0")
    return int(value)
