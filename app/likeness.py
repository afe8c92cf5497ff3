"""How alike two answers are. Pure."""

import re
from collections import Counter
from typing import Any

import orjson

from app.spoken import Spoken

_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff"
_WORDS = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+")
"""Words, whatever their case; where a script has no spaces, its signs."""


def similarity(one: str, other: str) -> float:
    """From 0 to 1: twice the words that both have, by the words of both; a word counts as often as it stands there.

    That is the F1 of either by the other, as question answering is scored (SQuAD).
    """
    ours, theirs = (Counter(_WORDS.findall(text.casefold())) for text in (one, other))
    words = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / words if words else 1.0


def same_json(one: str, other: str) -> bool | None:
    """Whether both are the same JSON, however it is written; None where neither is an object or an array."""
    ours, theirs = _structure(one), _structure(other)
    return None if ours is None and theirs is None else ours == theirs


def same_calls(one: Spoken, other: Spoken) -> bool | None:
    """Whether both call the same tools with the same arguments; None where neither calls any."""
    return one.calls == other.calls if one.calls or other.calls else None


def _structure(text: str) -> Any:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict | list) else None
