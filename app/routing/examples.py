"""Example utterances and their labels, from files: YAML, JSON lines or CSV."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.config.faults import ConfigError, Fault
from app.routing.ngrams import normal
from app.yaml_source import Collection, Mark, Node, Scalar, parse

SHIPPED = Path(__file__).parents[1] / "data" / "routes"
FEW = 5
"""Examples of a label with fewer than this say little."""
MOST_BYTES = 64 * 1024 * 1024
_SUFFIXES = (".yaml", ".yml", ".jsonl", ".csv")
_YAML_SHAPE = "must be `mode` and `examples`, or `examples` with a label at each list"


@dataclass(frozen=True, slots=True)
class Example:
    text: str
    label: str


def read(paths: Sequence[Path]) -> Sequence[Example]:
    """All examples of these files and folders, each once. Raises ConfigError, which names the file and the line."""
    found: dict[tuple[str, str], Example] = {}
    for path in paths:
        for file in _files(path):
            for example in _of_file(file):
                found.setdefault((normal(example.text), example.label), example)
    return list(found.values())


def doubts(examples: Sequence[Example]) -> Iterator[str]:
    """What is odd about these examples, though they can be learned."""
    for label, count in sorted(Counter(each.label for each in examples).items()):
        if count < FEW:
            yield f"{label!r} has {count} example(s): {FEW} are few, 20 or more are good"
    labels: dict[str, str] = {}
    for each in examples:
        other = labels.setdefault(normal(each.text), each.label)
        if other != each.label:
            yield f"{each.text[:60]!r} is an example of {other!r} and of {each.label!r}: keep one"


def _files(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
    if not found:
        raise _wrong(path, 1, f"holds no file that ends in {', '.join(_SUFFIXES)}")
    return found


def _of_file(path: Path) -> Iterator[Example]:
    text = _text(path)
    if path.suffix == ".jsonl":
        return _json_lines(path, text)
    if path.suffix == ".csv":
        return _table(path, text)
    return _yaml(path, text)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise _wrong(path, 1, f"cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise _wrong(path, 1, f"larger than {MOST_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(path, data.count(b"\n", 0, error.start) + 1, "not valid UTF-8") from None


def _yaml(path: Path, text: str) -> Iterator[Example]:
    root, problems = parse(text)
    if problems or root is None:
        faults = [Fault(str(path), each.mark.line, each.mark.column, "", each.message) for each in problems]
        raise ConfigError(faults)
    members = root.members if isinstance(root, Collection) and root.is_mapping else {}
    if "examples" not in members:
        raise _wrong(path, root.mark.line, _YAML_SHAPE)
    examples = members["examples"][1]
    if "mode" in members:
        label = members["mode"][1]
        if not isinstance(label, Scalar) or not label.text.strip():
            raise _wrong(path, label.mark.line, "`mode` must be a name")
        yield from _of_label(path, label.text.strip(), examples)
        return
    if not isinstance(examples, Collection) or not examples.is_mapping:
        raise _wrong(path, examples.mark.line, _YAML_SHAPE)
    for name, (_, node) in examples.members.items():
        yield from _of_label(path, str(name), node)


def _of_label(path: Path, label: str, node: Node) -> Iterator[Example]:
    """Of a list of texts, or of one for each language."""
    if not isinstance(node, Collection):
        raise _wrong(path, node.mark.line, "must be a list of texts, or one for each language")
    for _, each in node.members.values():
        if isinstance(each, Collection) and node.is_mapping:
            yield from (_example(path, label, text, mark) for mark, text in each.members.values())
        else:
            yield _example(path, label, each, each.mark)


def _example(path: Path, label: str, node: Node, mark: Mark) -> Example:
    if not isinstance(node, Scalar):
        raise _wrong(path, mark.line, "an example must be a text; quote one that has a colon")
    if not node.text.strip():
        raise _wrong(path, mark.line, "an example must not be empty")
    return Example(node.text, label)


def _json_lines(path: Path, text: str) -> Iterator[Example]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            raise _wrong(path, number, "not valid JSON") from None
        pair = (value.get("text"), value.get("label")) if isinstance(value, dict) else (None, None)
        yield _pair(path, number, *pair)


def _table(path: Path, text: str) -> Iterator[Example]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in rows:
            yield _pair(path, rows.line_num, row.get("text"), row.get("label"))
    except csv.Error as error:
        raise _wrong(path, rows.line_num, f"not valid CSV: {error}") from None


def _pair(path: Path, line: int, text: object, label: object) -> Example:
    if not isinstance(text, str) or not isinstance(label, str) or not text.strip() or not label.strip():
        raise _wrong(path, line, "must have a `text` and a `label`, both not empty")
    return Example(text, label.strip())


def _wrong(path: Path, line: int, reason: str) -> ConfigError:
    return ConfigError([Fault(str(path), line, 1, "", reason)])
