"""The JSON Schema of the file, for editors: what may be written, short forms and variables included."""

from collections.abc import Mapping
from typing import Any

from app.config.schema import Sections

_VARIABLE: Mapping[str, str] = {"type": "string", "pattern": r"\$\{"}
_SHORT: Mapping[str, Any] = {"type": ["string", "number"]}
_OURS = frozenset({"expects", "writeOnly", "title", "discriminator", "format"})
"""Members that say something to this program, or nothing."""
_NAMES = frozenset({"properties", "$defs"})
_VALUES = frozenset({"default", "enum", "const", "required"})


def editor_schema() -> Mapping[str, Any]:
    """The schema of the settings, wider where the file may say a thing in more ways than the settings hold it."""
    schema = Sections.model_json_schema()
    sections = {
        name: _either(_written(shape), {"type": "null"}) for name, shape in schema["properties"].items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "HyperBridge's configuration",
        "type": "object",
        "additionalProperties": False,
        "required": schema["required"],
        "properties": sections,
        "$defs": {name: _written(shape) for name, shape in schema["$defs"].items()},
    }


def _written(shape: Any) -> Any:
    """A shape as it may be written."""
    if isinstance(shape, list):
        return [_written(each) for each in shape]
    if not isinstance(shape, Mapping):
        return shape
    inner = {name: _member(name, value) for name, value in shape.items() if name not in _OURS}
    if ", or a " in shape.get("expects", ""):
        return _either(inner, _SHORT)
    if shape.get("type") in {"integer", "number", "boolean"} or "enum" in shape:
        return _either(inner, _VARIABLE)
    return inner


def _member(name: str, value: Any) -> Any:
    if name in _NAMES:
        return {key: _written(shape) for key, shape in value.items()}
    return value if name in _VALUES else _written(value)


def _either(shape: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """One of the two; what describes it stands in front."""
    about = {name: shape[name] for name in ("description", "default") if name in shape}
    rest = {name: value for name, value in shape.items() if name not in about}
    return {**about, "anyOf": [rest, dict(other)]}
