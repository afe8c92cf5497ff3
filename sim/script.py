"""What the twin shall do with one request: written in the model's name, so that any client can say it.

twin?chunks=40&gap=0.02          forty words, 20 ms apart
twin?status=503&retry_after=2    an error answer
twin?chunks=40&cut=20            the connection breaks after 20 chunks
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_type_hints
from urllib.parse import parse_qsl


class BadScript(Exception):
    """The model's name asks for something that the twin does not know."""


def _member(default: object, meaning: str, *, fault: bool = False, needs: str = "") -> Any:
    """A member with what it means; a fault is what a good answer has not, `needs` a pattern of its values."""
    return field(default=default, metadata={"meaning": meaning, "fault": fault, "needs": needs.split()})


@dataclass(frozen=True, slots=True)
class Script:
    """One behaviour. Times in seconds; -1 is never."""

    chunks: int = _member(8, "words in the answer, each one chunk and one token")
    reasoning: int = _member(0, "thoughts before the answer, each one chunk and one token")
    thoughts: str = _member(
        "", "what thoughts are called; else as the kind does", needs="reasoning reasoning_content"
    )
    tool: bool = _member(
        default=False, meaning="a tool call in the place of text, its arguments in `chunks` chunks"
    )
    own: bool = _member(default=False, meaning="words that bear a mark of the request's messages")
    gap: float = _member(0.0, "wait between chunks")
    first: float = _member(0.0, "wait before the first content", fault=True)
    head: float = _member(0.0, "wait before the status line", fault=True)
    status: int = _member(200, "answer with this error", fault=True)
    code: str = _member(
        "",
        "code of the error, such as `context_length_exceeded` or `content_filter`; a 400 where nothing else is said",
        fault=True,
    )
    dialect: str = _member(
        "", "how errors are written; else as the kind does", needs="openai vllm nebius anthropic text html"
    )
    retry_after: str = _member("", "value of the header Retry-After", fault=True)
    retry_date: int = _member(-1, "Retry-After as the date in so many seconds", fault=True)
    reset: bool = _member(
        default=False,
        meaning="break the connection by a reset, before the head where `cut` says nothing",
        fault=True,
    )
    cut: int = _member(
        -1,
        "break the connection after so many chunks, or in the middle of a plain body; 0 is before the head",
        fault=True,
    )
    stall: int = _member(-1, "fall silent after so many chunks, or in the middle of a plain body", fault=True)
    error: int = _member(-1, "an error event in the place of this chunk; 0 is after a lone role", fault=True)
    malformed: int = _member(-1, "broken JSON in the place of this chunk", fault=True)
    html: bool = _member(default=False, meaning="a page of HTML with 200", fault=True)
    truncated: bool = _member(
        default=False,
        meaning="half of the JSON, with the length of that half; of a stream, half of its words",
        fault=True,
    )
    filter: int = _member(-1, "end after so many chunks with the reason `content_filter`", fault=True)
    finish: bool = _member(default=True, meaning="give a finish_reason", fault=True)
    done: bool = _member(default=True, meaning="end a stream with [DONE]", fault=True)
    usage: str = _member("asked", "usage in streams; always is in each chunk", needs="asked never always")
    fail: int = _member(-1, "only the first so many requests of this name get the faults")
    every: int = _member(-1, "only the requests of this name whose number it divides get the faults")
    flap: str = _member(
        "", "`on,off`: the faults for `on` seconds, none for `off`, since the name came first"
    )
    prefill: str = _member("", "answer 400 to a trailing message of the assistant", needs="reject")
    overlap: int = _member(0, "a continuation repeats so many words")
    restart: bool = _member(default=False, meaning="a continuation begins the answer anew")
    anew: bool = _member(default=False, meaning="a continuation is another answer")
    encoding: str = _member("", "content-encoding of the answer", needs="gzip deflate br zstd")
    type: str = _member("", "another content-type", fault=True)
    newline: str = _member("lf", "end of line in events", needs="lf crlf cr")
    split: int = _member(0, "write so many bytes at a time; 0 is an event at a time")
    framing: str = _member("", "how the body's end is told; else what suits", needs="chunked length close")
    close: bool = _member(default=False, meaning="close the connection after the answer")
    pad: int = _member(0, "spaces behind a plain body, or dots in each word")
    replay: str = _member("", "a recorded body of this name")

    @classmethod
    def of(cls, model: str, told: str = "") -> "Script":
        """The script in a model's name, and what is told besides, which wins. Raises BadScript."""
        _, _, query = model.partition("?")
        given = dict(parse_qsl(query)) | dict(parse_qsl(told))
        hints = get_type_hints(cls)
        unknown = given.keys() - hints.keys()
        if unknown:
            known = ", ".join(member.name for member in fields(cls))
            raise BadScript(f"unknown: {', '.join(sorted(unknown))} (known: {known})")
        script = cls(**_converted(given, hints))
        implied = script.code and script.status == 200 and script.error < 0
        return replace(script, status=400) if implied else script

    def good(self) -> "Script":
        """The same without its faults."""
        faults: dict[str, Any] = {
            member.name: member.default for member in fields(self) if member.metadata["fault"]
        }
        return replace(self, **faults)


def _converted(given: Mapping[str, str], hints: Mapping[str, Any]) -> dict[str, Any]:
    members = {member.name: member for member in fields(Script)}
    for name, value in given.items():
        needs = members[name].metadata["needs"]
        if needs and value not in needs:
            raise BadScript(f"{name} may be {', '.join(needs)}")
    try:
        return {
            name: value in {"1", "true"} if hints[name] is bool else hints[name](value)
            for name, value in given.items()
        }
    except ValueError as error:
        raise BadScript(str(error)) from None


def manual() -> list[tuple[str, str, str]]:
    """Each member, its default, and what it means."""
    return [(member.name, _written(member.default), _meaning(member.metadata)) for member in fields(Script)]


def _written(default: object) -> str:
    return f"{default:g}" if isinstance(default, (int, float)) else str(default) or "none"


def _meaning(metadata: Mapping[str, Any]) -> str:
    needs = metadata["needs"]
    meaning: str = metadata["meaning"]
    return f"{meaning}: {', '.join(needs)}" if needs else meaning
