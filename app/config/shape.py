"""The settings' JSON schema, walked: which setting a place in the file is, and what it must be."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from app.config.schema import Sections
from app.yaml_source import Path

Shape = Mapping[str, Any]
_NAME = "[key]"
"""How pydantic says that a mapping's name is wrong, not its value."""


@cache
def root() -> Shape:
    return Sections.model_json_schema()


def resolved(shape: Shape) -> Shape:
    """The shape without references, and of a value that may be null the other one."""
    while "$ref" in shape or "anyOf" in shape:
        inner = (
            root()["$defs"][shape["$ref"].rpartition("/")[2]]
            if "$ref" in shape
            else next(each for each in shape["anyOf"] if each.get("type") != "null")
        )
        shape = {**inner, **{name: value for name, value in shape.items() if name not in {"$ref", "anyOf"}}}
    return shape


def is_nullable(shape: Shape) -> bool:
    return any(each.get("type") == "null" for each in shape.get("anyOf", ()))


def locate(location: Sequence[str | int]) -> tuple[Path, Shape, bool]:
    """The path in the file of a location in a validation error, its shape, and whether its name is meant.

    A location also holds the kind by which one of several shapes was chosen.
    """
    path: list[str | int] = []
    shape = root()
    for step in location:
        if step == _NAME:
            return tuple(path), shape, True
        if "oneOf" in (whole := resolved(shape)):
            shape = {"$ref": whole["discriminator"]["mapping"][step]}
            continue
        path.append(step)
        shape = _member(whole, step)
    return tuple(path), shape, False


def _member(shape: Shape, step: str | int) -> Shape:
    properties: Shape = shape.get("properties", {})
    found: Shape | None = shape.get("items") if isinstance(step, int) else properties.get(step)
    return found or member_shape(shape) or {}


def member_shape(shape: Shape) -> Shape | None:
    """The shape of every member, where their names are free."""
    free: Shape | bool = shape.get("additionalProperties", False)
    return free if isinstance(free, Mapping) else None


def expectation(shape: Shape) -> str:
    """What a value of this shape must be, to follow `must be`."""
    null = ", or null" if is_nullable(shape) else ""
    return _expected(resolved(shape)) + null


def _expected(shape: Shape) -> str:
    if "expects" in shape:
        return str(shape["expects"])
    if names := choices(shape):
        return f"one of {', '.join(names)}" if len(names) > 1 else names[0]
    if shape.get("type") == "array":
        least = " of one or more" if shape.get("minItems") else ""
        return f"a list{least}, each {_expected(resolved(shape['items']))}"
    words = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "text"}
    return words.get(shape.get("type", ""), "a mapping") + _bounds(shape)


def choices(shape: Shape) -> tuple[str, ...]:
    """The values allowed, where they are enumerated."""
    return (shape["const"],) if "const" in shape else tuple(shape.get("enum", ()))


def _bounds(shape: Shape) -> str:
    least, above, most = (shape.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}" if most < 10**6 else f" from {least} to {most}"
    words = [
        f"above {above:g}" if above is not None else "",
        f"of at least {least:g}" if least is not None else "",
        f"at most {most:g}" if most is not None else "",
    ]
    said = ", ".join(word for word in words if word)
    return f" {said}" if said else ""


def is_secret(shape: Shape) -> bool:
    return bool(resolved(shape).get("writeOnly"))


def is_scalar(shape: Shape) -> bool:
    return resolved(shape).get("type") in {"string", "integer", "number", "boolean"}
