"""What the twin says: numbered words, so that a reader sees at once what is missing or came twice.

The words follow from the request's first messages alone, not from the faults in the model's name, so that any
twin can go on with what another began. A word with the space behind it is one chunk and one token.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sim.script import Script

GO_ON = "exactly where"
"""A user's text with these words, behind a message of the assistant's, asks to go on with that message."""


class Refused(Exception):
    """The request asks for what this upstream does not do."""


@dataclass(frozen=True, slots=True)
class Words:
    """One answer, without an end."""

    mark: str = ""
    pad: int = 0
    name: str = "word"

    def word(self, number: int) -> str:
        return f"{self.name}{number}{self.mark}{'.' * self.pad} "

    def place(self, text: str) -> "Place | None":
        """Where a beginning of the answer ends, inside a word or between two; None for any other text."""
        number = position = 0
        while text.startswith(word := self.word(number), position):
            position += len(word)
            number += 1
        rest = text[position:]
        return Place(number, len(rest)) if word.startswith(rest) else None


@dataclass(frozen=True, slots=True)
class Place:
    """So many whole words, and so many characters of the next."""

    number: int = 0
    characters: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """What a request asks for: which words, from where to where, and what it cost to read."""

    words: Words
    place: Place
    last: int
    """The answer ends before this word."""
    limit: int | None
    """Tokens that may be sent."""
    prompt_tokens: int

    def text(self) -> Iterator[str]:
        """The answer's words, as far as it is not there yet."""
        skipped = self.place.characters
        for number in range(self.place.number, self.last):
            yield self.words.word(number)[skipped:]
            skipped = 0


def task(path: str, request: Mapping[str, Any], script: Script) -> Task:
    """What is to be answered. Raises Refused."""
    if path.endswith("/completions") and not path.endswith("/chat/completions"):
        words, place = _completed(request.get("prompt"), script)
    else:
        words, place = _conversed(request, script)
    if place.number or place.characters:
        words, place = _bent(words, place, script)
    limit = (
        request.get("max_completion_tokens") or request.get("max_tokens") or request.get("max_output_tokens")
    )
    tokens = prompt_tokens(request)
    return Task(words, place, script.chunks, limit if isinstance(limit, int) else None, tokens)


def _bent(words: Words, place: Place, script: Script) -> tuple[Words, Place]:
    """A continuation as the script has it."""
    if script.anew:
        return Words(words.mark, words.pad, "other"), Place()
    if script.restart:
        return words, Place()
    if script.overlap:
        return words, Place(max(0, place.number - script.overlap))
    return words, place


def _conversed(request: Mapping[str, Any], script: Script) -> tuple[Words, Place]:
    messages = _messages(request)
    roles = [message.get("role") for message in messages[-2:]]
    if roles[-1:] == ["assistant"]:
        if script.prefill == "reject":
            raise Refused("The last message must be from the user.")
        if request.get("continue_final_message"):
            if request.get("add_generation_prompt", True):
                raise Refused("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
            return _continued(messages[:-1], messages[-1], script)
    if roles == ["assistant", "user"] and GO_ON in text_of(messages[-1]):
        return _continued(messages[:-2], messages[-2], script)
    return _words(messages, script), Place()


def _continued(
    messages: Sequence[Mapping[str, Any]], begun: Mapping[str, Any], script: Script
) -> tuple[Words, Place]:
    words = _words(messages, script)
    return words, words.place(text_of(begun)) or Place()


def _completed(prompt: object, script: Script) -> tuple[Words, Place]:
    """A prompt is gone on with where it ends with the answer to what stands before, of one whole word at least."""
    if isinstance(prompt, str):
        for found in re.finditer(r"word0\S* ", prompt):
            words = _words(prompt[: found.start()], script)
            place = words.place(prompt[found.start() :])
            if place is not None and place.number:
                return words, place
    return _words(prompt, script), Place()


def _words(asked: object, script: Script) -> Words:
    if not script.own:
        return Words(pad=script.pad)
    return Words("-" + hashlib.blake2s(orjson.dumps(asked), digest_size=2).hexdigest(), script.pad)


def _messages(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = request.get("messages")
    return [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text, whether it is written as one or in parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def prompt_tokens(request: Mapping[str, Any]) -> int:
    """Words of all messages, of a prompt or of an input; a prompt of numbers has as many tokens."""
    count = sum(len(text_of(message).split()) for message in _messages(request))
    return count + sum(_count(request.get(name)) for name in ("prompt", "input", "query", "documents"))


def _count(given: object) -> int:
    if isinstance(given, str):
        return len(given.split())
    if isinstance(given, list):
        return sum(map(_count, given))
    if isinstance(given, dict):
        return _count(given.get("content")) + _count(given.get("text"))
    return int(isinstance(given, int))
