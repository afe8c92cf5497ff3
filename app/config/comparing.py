"""What one configuration says otherwise than another, without a secret."""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from app.config.schema import Config, Sections


@dataclass(frozen=True, slots=True)
class Difference:
    """A unified diff of the settings as `hyperbridge check` prints them, and the settings whose secret is another."""

    text: str
    secrets: Sequence[str]


def difference(before: Config, after: Config) -> Difference:
    lines = difflib.unified_diff(_lines(before), _lines(after), "in force", "wanted", lineterm="")
    old, new = dict(_secrets(before, "")), dict(_secrets(after, ""))
    return Difference("\n".join(lines), [path for path in new if path in old and old[path] != new[path]])


def _lines(settings: Config) -> list[str]:
    return json.dumps(settings.redacted(), indent=2, ensure_ascii=False).splitlines()


def _secrets(value: Any, path: str) -> Iterator[tuple[str, SecretStr]]:
    """Every secret by its path."""
    if isinstance(value, SecretStr):
        yield path.removeprefix("."), value
    elif isinstance(value, BaseModel):
        names = Sections.model_fields if isinstance(value, Sections) else type(value).model_fields
        for name in names:
            yield from _secrets(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _secrets(member, f"{path}.{name}")
