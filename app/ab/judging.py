"""Whether what a model said is the right answer: by rules alone, no model judges another. Pure."""

import json
import re
import unicodedata
from decimal import Decimal
from typing import Any

from app.ab.question import Question

_MINUS = "\N{MINUS SIGN}"
_NUMBER = re.compile(
    rf"(?<![\w.])(?<!\w-)[-+{_MINUS}]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{{1,3}})?"
    r"(?![\w,.]*\d|-\d)"
)
"""A number of its own: neither a piece of a name or a date, nor the beginning of a range."""
_FENCE = re.compile(r"```[\w-]*\n(.*?)\n?```", re.DOTALL)
_LEAD = re.compile(r"(?i)^(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*:?\s+")
_AROUND = " \t\r\n\"'`*“”„‘’«»"  # noqa: RUF001
_MOST_READ = 2_000
"""Characters of a line: no right answer is longer, but what a model that goes on and on says is."""
_NOTHING = object()


def is_right(question: Question, said: str, tolerance: float = 0.0) -> bool:
    """Whether this answers the question; `tolerance` is how far a number may be off."""
    answer = question.answer
    match question.kind:
        case "exact":
            return _is_text(str(answer), said)
        case "one_of":
            return any(_is_text(each, said) for each in answer)
        case "number":
            wanted, found = number_of(str(answer)), number_of(_last_line(said))
            return (
                found is not None and wanted is not None and abs(found - wanted) <= Decimal(repr(tolerance))
            )
        case "json":
            return _is_same(answer, _json(said))


def form(question: Question, said: str) -> str:
    """What two answers have in common that say the same, right or wrong."""
    if question.kind == "json":
        value = _json(said)
        return normal(said) if value is _NOTHING else json.dumps(value, sort_keys=True)
    number = number_of(_last_line(said)) if question.kind == "number" else None
    return normal(_last_line(said)) if number is None else format(number.normalize(), "f")


def normal(text: str) -> str:
    """The text in small letters, without quotes around it and full stops behind it, each run of spaces as one."""
    bare = unicodedata.normalize("NFKC", text).lstrip(_AROUND).rstrip(f"{_AROUND}.")
    return " ".join(bare.split()).casefold()


def number_of(text: str) -> Decimal | None:
    """The number of a text that holds one; None of one that holds none, or several that differ."""
    found = {Decimal(each.replace(",", "").replace(_MINUS, "-")) for each in _NUMBER.findall(text)}
    return found.pop() if len(found) == 1 else None


def _is_text(answer: str, said: str) -> bool:
    return normal(answer) in {normal(said), normal(_last_line(said))}


def _last_line(said: str) -> str:
    """Where a model says its answer, when it says more; without an `Answer:` before it."""
    lines = [line for line in said.splitlines() if line.strip(_AROUND)]
    return _LEAD.sub("", lines[-1].strip(_AROUND)[-_MOST_READ:]) if lines else ""


def _json(said: str) -> Any:
    """The value of the text, or of the one fenced block in it; `_NOTHING` where there is none."""
    blocks = _FENCE.findall(said)
    try:
        return json.loads(blocks[0] if len(blocks) == 1 else said)
    except (ValueError, RecursionError):
        return _NOTHING


def _is_same(one: Any, other: Any) -> bool:
    """Equality of JSON: 1 is 1.0, but true is not 1."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
        case list(), list():
            return len(one) == len(other) and all(map(_is_same, one, other))
        case _:
            return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
