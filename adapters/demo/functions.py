"""Which of the offered functions a message calls, and with what arguments."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from adapters.demo import schema
from adapters.demo.material import Material

_READ_CHARACTERS = 4000
_WORD = re.compile(r"[^\W_]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SHORT = 3
_VAGUE_WORDS = (
    "all and any call check create current data delete fetch find for from function get info into list make"
    " new now one query read run search send set show tool update use user with write"
)
_VAGUE = frozenset(_VAGUE_WORDS.split())


@dataclass(frozen=True, slots=True)
class Function:
    """A function on offer; without `parameters` it takes none."""

    name: str
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """The functions on offer and how they may be called; `names` are those allowed, None is every one."""

    functions: Sequence[Function] = ()
    mode: Literal["none", "auto", "required"] = "auto"
    names: frozenset[str] | None = None
    parallel: bool = True


NO_OFFER = Offer()


def called(offer: Offer, message: str) -> Sequence[Function]:
    """The functions whose name, or a telling word of it, the message mentions; one of them where one must be."""
    if offer.mode == "none" or not offer.functions:
        return ()
    allowed = [f for f in offer.functions if offer.names is None or f.name in offer.names]
    text = message[:_READ_CHARACTERS].casefold()
    words = {_stem(word) for word in _WORD.findall(text)}
    chosen = [function for function in allowed if _mentioned(function.name, text, words)]
    if not chosen and offer.mode == "required":
        chosen = allowed[:1]
    return chosen if offer.parallel else chosen[:1]


def arguments(function: Function, material: Material) -> str:
    """The call's arguments, as JSON text; raises Unsatisfiable."""
    if not function.parameters:
        return "{}"
    made = schema.instance({"type": "object", **function.parameters}, material)
    return msgspec.json.encode(made).decode()


def _mentioned(name: str, text: str, words: set[str]) -> bool:
    if name.casefold() in text and len(name) > 1:
        return True
    parts = {part.casefold() for part in _PART.findall(name)}
    return any(_stem(part) in words for part in parts if len(part) >= _SHORT and part not in _VAGUE)


def _stem(word: str) -> str:
    return word[:-1] if len(word) > _SHORT and word.endswith("s") else word
