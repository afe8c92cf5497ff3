"""Terms with the user's own meaning of each, which prompt templates may tell."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app.config.faults import ConfigError, Fault, dotted
from app.config.manner_rules import DATA
from app.config.text import read_text
from app.yaml_source import Collection, Mark, Node, Scalar, parse

SHIPPED = DATA / "glossary.yaml"
MOST_TERMS = 200
MOST_CHARACTERS = 200
"""Of a term, and of a meaning: all of them together stay within what a template may give."""


def read_glossary(files: Sequence[Path]) -> Mapping[str, str]:
    """Meanings by term, in the files' order; a later file's replace those of an earlier one, whatever the case.

    A file is a YAML mapping of texts. Raises ConfigError with all that is wrong.
    """
    found: dict[str, tuple[str, str]] = {}
    for file in files:
        found |= {term.lower(): (term, meaning) for term, meaning in _read(file).items()}
        if len(found) > MOST_TERMS:
            raise ConfigError([Fault(str(file), 1, 1, "", f"must not have more than {MOST_TERMS} terms")])
    return dict(found.values())


def _read(file: Path) -> Mapping[str, str]:
    root, problems = parse(read_text(file))
    faults = [
        Fault(str(file), problem.mark.line, problem.mark.column, dotted(problem.path), problem.message)
        for problem in problems
    ]
    if root is not None:
        faults += _faults(str(file), root)
    if faults or not isinstance(root, Collection):
        raise ConfigError(faults)
    return {str(term): _text(node).strip() for term, (_, node) in root.members.items()}


def _faults(file: str, root: Node) -> Iterator[Fault]:
    if not isinstance(root, Collection) or not root.is_mapping:
        yield Fault(
            file, root.mark.line, root.mark.column, "", "must be a mapping of terms to their meanings"
        )
        return
    for term, (mark, node) in root.members.items():
        if not _fits(str(term)):
            yield _fault(
                file, mark, term, f"the term must have 1 to {MOST_CHARACTERS} characters in one line"
            )
        if not _fits(_text(node).strip()):
            message = f"the meaning must be text of 1 to {MOST_CHARACTERS} characters in one line"
            yield _fault(file, node.mark, term, message)


def _fault(file: str, mark: Mark, term: str | int, message: str) -> Fault:
    return Fault(file, mark.line, mark.column, dotted((term,)), message)


def _fits(text: str) -> bool:
    return 0 < len(text) <= MOST_CHARACTERS and len(text.splitlines()) == 1


def _text(node: Node) -> str:
    return node.text if isinstance(node, Scalar) else ""
