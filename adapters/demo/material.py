"""What a message offers to fill an answer with: its names, its other words and its numbers."""

import re
from dataclasses import dataclass

_READ_CHARACTERS = 2000
_MAX_WORDS = 64
_MAX_NUMBERS = 16
_QUOTED = re.compile(r'"([^"\n]{1,60})"|“([^”\n]{1,60})”|«([^»\n]{1,60})»')
_WORD = re.compile(r"[^\W\d_][\w'\u2019-]{0,60}")
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,6})?(?![\w.]*\w)")
_SHORT = 3
_COMMON_WORDS = (
    "about also could does from give have help here into just know like make more much name need only over"
    " please say show some something tell than thanks that their them then there these they this those want"
    " what what's when where which will with would write your"
    " можно надо нужно пожалуйста покажи расскажи скажи сколько такое того тебя через чтобы этот какая какой"
    " какое"
)
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class Material:
    """`words` is never empty; `text` is the read part of the message in lower case."""

    words: tuple[str, ...]
    numbers: tuple[float, ...]
    text: str


def gather(message: str) -> Material:
    """Quoted phrases first, then words with a capital inside a sentence, then the longer other words."""
    read = message[:_READ_CHARACTERS]
    quoted = ["".join(found) for found in _QUOTED.findall(read)]
    words = _WORD.findall(read)
    names = [word for word in words[1:] if word[0].isupper() and len(word) > 1]
    others = [word for word in words if len(word) > _SHORT and word.casefold() not in _COMMON]
    kept = tuple(dict.fromkeys(phrase for phrase in (*quoted, *names, *others) if phrase.strip()))
    numbers = tuple(float(n) if "." in n else int(n) for n in _NUMBER.findall(read)[:_MAX_NUMBERS])
    return Material(kept[:_MAX_WORDS] or ("demo",), numbers, read.casefold())
