"""The file as plain values with the environment filled in, and the place of each of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.config.environment import substitute
from app.config.faults import Fault, dotted, quoted
from app.yaml_source import Collection, Mark, Node, Path, Scalar, plain_value


class Substituted(str):
    """Text in which references were replaced: it may stand for a number or for nothing."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Document:
    """Mappings are dicts and sequences tuples. `unknown` are values that a missing variable left open."""

    file: str
    value: Any = None
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    hidden: set[Path] = field(default_factory=set)
    unknown: set[Path] = field(default_factory=set)

    def at(self, *path: str | int) -> Any:
        """The value there, None where there is none."""
        value = self.value
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, tuple) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def members(self, *path: str | int) -> Mapping[str, Any]:
        """The mapping there, empty where there is none."""
        value = self.at(*path)
        return value if isinstance(value, dict) else {}

    def items(self, *path: str | int) -> tuple[Any, ...]:
        """The sequence there, empty where there is none."""
        value = self.at(*path)
        return value if isinstance(value, tuple) else ()

    def text(self, *path: str | int) -> str | None:
        """The text there, None where it is not text or not known."""
        value = self.at(*path)
        return value if isinstance(value, str) and path not in self.unknown else None

    def shown(self, path: Path) -> str | None:
        """A scalar as a message may repeat it; None where references were replaced in it, or it is none."""
        value = self.at(*path)
        if isinstance(value, (Substituted, dict, tuple)):
            return None
        if value is None or isinstance(value, bool):
            return {None: "null", True: "true", False: "false"}[value]
        return quoted(value) if isinstance(value, str) else str(value)

    def fault(self, path: Path, message: str, *, at_name: bool = False, near: Path = ()) -> Fault:
        """A fault at this value or its name; where it is missing, at `near` or the next name above."""
        places = self.keys if at_name else self.values
        mark = places.get(path) or self.values.get(near or path)
        for length in range(len(path), 0, -1):
            mark = mark or self.keys.get(path[:length])
        mark = mark or Mark(1, 1)
        return Fault(self.file, mark.line, mark.column, dotted(path), message)


def resolve(file: str, root: Node, environment: Mapping[str, str]) -> tuple[Document, tuple[Fault, ...]]:
    """The document with references to the environment replaced, and what was wrong with those."""
    filling = _Filling(Document(file), environment)
    value = filling.fill(root, ())
    found = filling.document
    if isinstance(value, dict):  # a section whose members are all commented out is one that is absent
        value = {name: section for name, section in value.items() if section is not None}
    return Document(file, value, found.keys, found.values, found.hidden, found.unknown), tuple(filling.faults)


class _Filling:
    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self.document = document
        self.faults: list[Fault] = []
        self._environment = environment

    def fill(self, node: Node, path: Path) -> Any:
        self.document.values[path] = node.mark
        if isinstance(node, Scalar):
            return self._scalar(node, path)
        members = dict(self._members(node, path))
        return members if node.is_mapping else tuple(members.values())

    def _members(self, node: Collection, path: Path) -> Iterator[tuple[str | int, Any]]:
        for name, (mark, member) in node.members.items():
            self.document.keys[*path, name] = mark
            yield name, self.fill(member, (*path, name))

    def _scalar(self, node: Scalar, path: Path) -> Any:
        result = substitute(node.text, self._environment)
        if result.hidden:
            self.document.hidden.add(path)
        if result.missing or result.broken:
            self.document.unknown.add(path)
        if not _is_unicode(result.text):
            self.document.unknown.add(path)
            self.faults.append(self.document.fault(path, "is not valid Unicode text"))
        for name in result.missing:
            message = f"the environment variable {name} is not set; set it, or write it into .env (see .env.example)"
            self.faults.append(self.document.fault(path, message))
        if result.broken:
            message = "${ must begin ${NAME} or ${NAME:-default}; write $$ for a dollar sign"
            self.faults.append(self.document.fault(path, message))
        if result.found:
            return Substituted(result.text)
        return plain_value(node.text) if node.plain else node.text


def _is_unicode(text: str) -> bool:
    """Not so where bytes of the environment were no UTF-8, or an escape names half of a character."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
