"""The text of a configuration, as it may be shown: literal secrets masked, everything else as it is written."""

import re
from collections.abc import Iterator

import yaml

from app.config.schema import MASK
from app.config.shape import Shape, is_secret, member_shape, resolved, root
from app.yaml_source import LOADER, Node, Path, Scalar, mark_of, parse

_REFERENCES = re.compile(r"((Bearer|Basic|Token)\s+)?(\$\{[A-Za-z_][A-Za-z0-9_]*\})*", re.IGNORECASE)
"""What holds no secret itself: variables without a default, also behind the name of a scheme."""
_HASHES = "keys"
"""Where only hashes stand: from one nobody comes to the key, and who writes a text back needs them."""


def masked(text: str) -> str | None:
    """The text with each literal secret masked, and what stands where no setting is: it may be one that is misspelt.

    None where it is no YAML.
    """
    node, _ = parse(text)
    if node is None:
        return None
    secret = {scalar.mark for path, scalar in _scalars(node, ()) if _is_hidden(path, scalar.text)}
    pieces, end = [], 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.ScalarEvent) and mark_of(event) in secret:
            assert event.start_mark is not None
            assert event.end_mark is not None
            start, end_before = event.start_mark.index, end
            end = event.end_mark.index
            pieces += [text[end_before:start], f'"{MASK}"', "\n" if text[start:end].endswith("\n") else ""]
    return "".join([*pieces, text[end:]])


def _scalars(node: Node, path: Path) -> Iterator[tuple[Path, Scalar]]:
    if isinstance(node, Scalar):
        yield path, node
        return
    for name, (_, member) in node.members.items():
        yield from _scalars(member, (*path, name))


def _is_hidden(path: Path, text: str) -> bool:
    return (
        path[:1] != (_HASHES,) and not _REFERENCES.fullmatch(text) and _is_secret(path, root()) is not False
    )


def _is_secret(path: Path, shape: Shape) -> bool | None:
    """Whether the setting there, or one that it is a part of, is a secret; None where there is no setting."""
    whole = resolved(shape)
    if is_secret(whole):
        return True
    if not path or whole.get("additionalProperties") is True:
        return False
    if "oneOf" in whole:
        said = {_is_secret(path, each) for each in whole["oneOf"]}
        return True if True in said else False if False in said else None
    step, *rest = path
    inner = whole.get("items") if isinstance(step, int) else whole.get("properties", {}).get(step)
    inner = inner or member_shape(whole)
    return None if inner is None else _is_secret(tuple(rest), inner)
