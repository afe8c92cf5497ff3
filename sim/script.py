"""What the twin shall do with one request: written in the model's name, so that any client can say it.

twin?chunks=40&gap=0.02          forty words, 20 ms apart
twin?status=503&retry_after=2    an error answer
twin?first=20                    nothing for 20 s, then an answer
twin?chunks=40&cut=20            the connection breaks after 20 chunks
twin?chunks=40&stall=20          silence after 20 chunks
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints
from urllib.parse import parse_qsl


class BadScript(Exception):
    """The model's name asks for something that the twin does not know."""


@dataclass(frozen=True, slots=True)
class Script:
    """One behaviour. Times in seconds; -1 is never."""

    chunks: int = 8
    """Words in the answer."""
    status: int = 200
    retry_after: str = ""
    dialect: str = "openai"
    """How an error is written: openai, vllm, nebius, text, html."""
    head: float = 0.0
    """Wait before the status line."""
    first: float = 0.0
    """Wait before the first content."""
    gap: float = 0.0
    """Wait between chunks."""
    cut: int = -1
    """Break the connection after this many chunks; 0 is before the head."""
    stall: int = -1
    """Fall silent after this many chunks."""
    error: int = -1
    """Send an error event instead of this chunk."""
    malformed: int = -1
    """Send broken JSON instead of this chunk."""
    split: int = 0
    """Write this many bytes at a time; 0 is an event at a time."""
    usage: str = "asked"
    """Report usage in streams: asked, never, always (in every chunk)."""
    done: bool = True
    """End with [DONE]."""
    finish: bool = True
    """Give a finish_reason."""
    encoding: str = ""
    """Content-encoding of the answer: gzip, br, zstd."""
    type: str = ""
    """Another content-type."""
    newline: str = "lf"
    """End of line in events: lf, crlf, cr."""
    close: bool = False
    """Close the connection after the answer."""
    framing: str = ""
    """How the body's end is told: chunked, length, close; "" is what suits."""
    replay: str = ""
    """Answer with a recorded body of this name."""
    pad: int = 0
    """Spaces added to a plain body, or characters to each chunk."""

    @classmethod
    def of(cls, model: str) -> "Script":
        """The script in a model's name. Raises BadScript."""
        _, _, query = model.partition("?")
        hints = get_type_hints(cls)
        given = dict(parse_qsl(query))
        unknown = given.keys() - hints.keys()
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise BadScript(f"unknown: {', '.join(sorted(unknown))} (known: {known})")
        return cls(**_converted(given, hints))


def _converted(given: Mapping[str, str], hints: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {
            name: value in {"1", "true"} if hints[name] is bool else hints[name](value)
            for name, value in given.items()
        }
    except ValueError as error:
        raise BadScript(str(error)) from None
