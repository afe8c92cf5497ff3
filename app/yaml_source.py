"""YAML read into a tree whose every node knows its line and column, bounded, and without YAML 1.1's surprises.

Scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `no` is text, `010` is
ten and `1:30` is text. Anchors work; what they expand to counts against the same bounds as what is written.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import yaml

MAX_BYTES = 1024 * 1024
MAX_NODES = 20_000
"""Bound of the tree with every alias expanded, so that nested aliases cannot grow without end."""
MAX_DEPTH = 32

Path: TypeAlias = tuple[str | int, ...]
Value: TypeAlias = str | int | float | bool | None

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAG = "tag:yaml.org,2002:str"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG_NAME = re.compile(r" '![^']*'")
_WORDS: Mapping[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_BASED = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,22}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,4})?")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    mark: Mark
    text: str
    plain: bool
    size: int = 1
    height: int = 0


@dataclass(frozen=True, slots=True)
class Collection:
    """A mapping (its members carry the mark of their key) or a sequence (members named 0, 1, ...).

    `size` counts the nodes and `height` the levels below, both with aliases expanded.
    """

    mark: Mark
    members: Mapping[str | int, tuple[Mark, "Node"]]
    is_mapping: bool
    size: int
    height: int


Node: TypeAlias = Scalar | Collection


@dataclass(frozen=True, slots=True)
class Problem:
    mark: Mark
    path: Path
    message: str


class _Stop(Exception):
    """Reading cannot go on."""

    def __init__(self, mark: Mark, path: Path, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(mark, path, message)


def parse(text: str) -> tuple[Node | None, tuple[Problem, ...]]:
    """The one document in this text and what is wrong with it; the node is None where reading had to stop."""
    found = _FORBIDDEN.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        mark = Mark(line, found.start() - text.rfind("\n", 0, found.start()))
        return None, (Problem(mark, (), f"the character U+{ord(found[0]):04X} is not allowed in YAML"),)
    reading = _Reading(yaml.parse(text, Loader=LOADER))
    try:
        return reading.document(), tuple(reading.problems)
    except _Stop as stop:
        return None, (*reading.problems, stop.problem)
    except yaml.YAMLError as error:
        return None, (*reading.problems, _syntax(error))


def plain_value(text: str) -> Value:
    """What an unquoted scalar stands for: null, a boolean, a finite number, or its own text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


class _Reading:
    """Builds the tree from the parser's events: unlike `yaml.compose` it can stop at a bound half-way."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self.problems: list[Problem] = []
        self._events = events
        self._anchors: dict[str, Node] = {}
        self._count = 0

    def document(self) -> Node | None:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return Scalar(Mark(1, 1), "", plain=True)
        root = self._node(next(self._events), ())
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Stop(mark_of(after), (), "a second document starts here; the file must hold one")
        return root

    def _node(self, event: yaml.Event, path: Path) -> Node:
        node = self._alias(event, path) if isinstance(event, yaml.AliasEvent) else self._fresh(event, path)
        if self._count > MAX_NODES:
            raise _Stop(mark_of(event), path, f"more than {MAX_NODES} values, counting what aliases repeat")
        if len(path) + node.height > MAX_DEPTH:
            raise _Stop(mark_of(event), path, f"nested more than {MAX_DEPTH} levels deep")
        return node

    def _alias(self, event: yaml.AliasEvent, path: Path) -> Node:
        node = self._anchors.get(str(event.anchor))
        if node is None:
            raise _Stop(mark_of(event), path, "an alias (*) whose anchor (&) is not complete before it")
        self._count += node.size
        return node

    def _fresh(self, event: yaml.Event, path: Path) -> Node:
        self._count += 1
        if len(path) > MAX_DEPTH:
            raise _Stop(mark_of(event), path, f"nested more than {MAX_DEPTH} levels deep")
        assert isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent))
        if event.tag not in {None, "!", _TEXT_TAG} or (event.tag and not isinstance(event, yaml.ScalarEvent)):
            self.problems.append(
                Problem(mark_of(event), path, "a tag (!) is not accepted here; leave it out")
            )
        if isinstance(event, yaml.ScalarEvent):
            node: Node = Scalar(mark_of(event), event.value, plain=event.implicit[0])
        else:
            node = self._collection(event, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _collection(self, event: yaml.Event, path: Path) -> Node:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        read = self._members if is_mapping else self._items
        members: dict[str | int, tuple[Mark, Node]] = dict(read(path))
        nodes = [node for _, node in members.values()]
        size = 1 + sum(node.size for node in nodes)
        height = 1 + max((node.height for node in nodes), default=0)
        return Collection(mark_of(event), members, is_mapping, size, height)

    def _items(self, path: Path) -> Iterator[tuple[str | int, tuple[Mark, Node]]]:
        index = 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield index, (mark_of(event), self._node(event, (*path, index)))
            index += 1

    def _members(self, path: Path) -> Iterator[tuple[str | int, tuple[Mark, Node]]]:
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            mark = mark_of(event)
            key = self._node(event, path)
            if not isinstance(key, Scalar):
                raise _Stop(mark, path, "a name must be text; quote a value that starts with { or [")
            value = self._node(next(self._events), (*path, key.text))
            if key.text in lines:
                message = f"named twice, first in line {lines[key.text]}; keep one"
                self.problems.append(Problem(mark, (*path, key.text), message))
            elif key.text == "<<" and key.plain:
                message = "merging is not supported; give the whole mapping an anchor, or repeat its members"
                self.problems.append(Problem(mark, (*path, key.text), message))
            else:
                lines[key.text] = mark.line
                yield key.text, (mark, value)


def mark_of(event: yaml.Event) -> Mark:
    """Where it begins."""
    assert event.start_mark is not None
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _syntax(error: yaml.YAMLError) -> Problem:
    """A syntax error in the parser's words, without the snippet it can show and without a tag's name."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(Mark(1, 1), (), "not readable as YAML")
    reason = _TAG_NAME.sub("", error.problem or "not readable")
    if "cannot start any token" in reason:
        reason += " (indent with spaces, not tabs; quote text that starts with %, @ or `)"
    if "',' or" in reason:
        reason += " (inside { } and [ ] quote what holds ${NAME})"
    mark = Mark(error.problem_mark.line + 1, error.problem_mark.column + 1)
    return Problem(mark, (), f"not valid YAML: {reason}")
