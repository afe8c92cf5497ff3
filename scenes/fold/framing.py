"""How a block of lines is framed: a marker that counts what follows it, then the lines.

A last newline is no line of its own: it stays the last character, so that a block can be folded where it stands in
a longer text.
"""

import re
from collections.abc import Iterable, Sequence

from scenes.contracts import LARGEST, is_marked

_COUNT = re.compile(r"\[[a-z]+ lines=([0-9]{1,9}) ")


def opened(text: str) -> list[str] | None:
    """The text's lines; None for a text that holds a marker, which no form may touch, or is larger than LARGEST."""
    if len(text) > LARGEST or is_marked(text):
        return None
    return text.removesuffix("\n").split("\n")


def framed(name: str, note: str, lines: Sequence[str], text: str) -> str | None:
    """The lines under their marker; None where that isn't shorter than `text`, or a line reads like a marker."""
    head = f"[{name} lines={len(lines)} {note}]\n"
    body = "\n".join(lines)
    if len(head) + len(body) >= len(text.removesuffix("\n")) or opened(body) is None:
        return None
    return head + body + ("\n" if text.endswith("\n") else "")


def unframed(name: str, folded: str) -> tuple[str, list[str]]:
    """The marker and the lines it counts. Raises ValueError where the text is not one block of that form."""
    marker, _, body = folded.partition("\n")
    lines = body.split("\n")
    if is_ended(folded):
        lines.pop()
    if not marker.startswith(f"[{name} lines={len(lines)} "):
        raise ValueError(f"not a block of the form {name}")
    return marker, lines


def closed(lines: Iterable[str], folded: str) -> str:
    """The text of those lines, which ends as the folded one does. Raises ValueError where it passes LARGEST."""
    told = list[str]()
    left = LARGEST + 1
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            raise ValueError(f"more than {LARGEST} characters")
        told.append(line)
    return "\n".join(told) + ("\n" if is_ended(folded) else "")


def is_ended(folded: str) -> bool:
    """Whether a newline ends the last line; one that the marker counts a line behind does not."""
    said = _COUNT.match(folded)
    return said is not None and folded.endswith("\n") and folded.count("\n") > int(said[1])
