"""What the demo says: that it is one, what it was told, and how to put a real model in its place."""

import re
from dataclasses import dataclass
from typing import Literal

from adapters.demo import arithmetic, tokens
from adapters.demo.phrases import ENGLISH, RUSSIAN, Phrases

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much to think aloud before the answer."""

_QUOTE_CHARACTERS = 200
_RESULT_CHARACTERS = 400
_SAMPLE_CHARACTERS = 400
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_LETTER = re.compile(r"[^\W\d_]")
_PONGS = {"ping": "pong", "пинг": "понг"}
_SENTENCES_BY_EFFORT = {"none": 0, "minimal": 1, "low": 1, "medium": 2, "high": 3, "xhigh": 3, "max": 3}


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest thing said to the demo; `result` is what tools answered, where they spoke last."""

    text: str
    images: int = 0
    audios: int = 0
    files: int = 0
    result: str | None = None


def answer(heard: Heard, variant: int = 0) -> str:
    """The answer's text; answers to one message differ by `variant` only."""
    phrases = _phrases(heard.text)
    if heard.result is not None:
        return f"{phrases.result.format(quote=_quoted(heard.result, _RESULT_CHARACTERS))} {phrases.who}"
    pong = _PONGS.get(heard.text[:_QUOTE_CHARACTERS].strip(" \t\r\n!.?").casefold())
    if pong is not None:
        return pong
    solved = arithmetic.solved(heard.text)
    if solved is not None:
        return phrases.worked_out.format(expression=solved[0], value=solved[1])
    hint = phrases.hints[variant % len(phrases.hints)]
    return " ".join([phrases.who, *_repeated(heard, phrases), hint])


def thought(heard: Heard, effort: Effort) -> str:
    """What is thought aloud before the answer; nothing without effort."""
    wanted = _SENTENCES_BY_EFFORT[effort]
    if not wanted:
        return ""
    return " ".join(_phrases(heard.text).thoughts[:wanted]).format(**_counted(heard.text))


def _phrases(text: str) -> Phrases:
    """The phrases in the language that most letters of the text are of."""
    sample = text[:_SAMPLE_CHARACTERS]
    cyrillic = len(_CYRILLIC.findall(sample))
    return RUSSIAN if cyrillic and cyrillic * 2 > len(_LETTER.findall(sample)) else ENGLISH


def _repeated(heard: Heard, phrases: Phrases) -> list[str]:
    """What was heard, said back."""
    sentences = [phrases.wordless]
    if heard.text.strip():
        quote = _quoted(heard.text, _QUOTE_CHARACTERS)
        sentences = [phrases.wrote.format(quote=quote, **_counted(heard.text))]
    things = _things(heard, russian=phrases is RUSSIAN)
    if things:
        sentences.append(phrases.attached.format(things=things))
    return sentences


def _counted(text: str) -> dict[str, object]:
    words, pieces = len(text.split()), tokens.count(text)
    return {
        "words": words,
        "words_noun": "word" if words == 1 else "words",
        "tokens": pieces,
        "tokens_noun": "token" if pieces == 1 else "tokens",
    }


def _things(heard: Heard, *, russian: bool) -> str:
    images = (heard.images, "image", "изображений")
    audios = (heard.audios, "recording", "записей")
    files = (heard.files, "file", "файлов")
    present = [thing for thing in (images, audios, files) if thing[0]]
    if russian:
        return ", ".join(f"{noun}: {number}" for number, _, noun in present)
    return " and ".join(f"{number} {noun}{'s' if number > 1 else ''}" for number, noun, _ in present)


def _quoted(text: str, limit: int) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[:limit].split())
    return line if len(text) <= limit else f"{line}…"
