"""What a text is found by, in any language: its words, each by its root. Pure.

A root is the first letters of a word, by which *flights* finds *flight*, and *рейсами* finds *рейс*; what has a digit
stays whole. What is written without spaces (Chinese, Japanese, Thai ...) is told in pairs of letters.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from scenes.marks import ASKING, COMMON

LONGEST = 64
"""Characters of a name with a digit; what follows is cut off."""
ROOT = 5
"""Letters of a root. Among 7,220 passages, of 24 questions in other forms of their passage's words (half Russian, half
English) and of 379 times three words as they stand, so many find it first: 22 and 336 with roots of 5, 24 and 330 with
those of 4, 19 and 342 with those of 6, 6 and 344 with whole words, 19 and 339 with both, 24 and 325 with trigrams.
"""

_MARKS = (
    r"\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
    r"\u0e31\u0e34-\u0e4e\u0eb1-\u0ecd\u102b-\u103e"
)
"""What stands above, below or beside a letter and belongs to its word: no letter for a regular expression."""
_WORD = re.compile(rf"[\w{_MARKS}]+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_DIGIT = re.compile(r"\d")
_TELLING_NOTHING = COMMON | ASKING


def counted(text: str) -> Counter[str]:
    """How often each root stands in a text."""
    return Counter(root for word in _words(text) for root in _roots(word))


def asked(text: str, most: int) -> Sequence[str]:
    """The roots of a question, each once: words that everybody uses only where there are no others, the longest first."""
    words = list(dict.fromkeys(_words(text)))
    telling = [word for word in words if _tells(word)] or words
    telling.sort(key=len, reverse=True)
    return list(dict.fromkeys(root for word in telling for root in _roots(word)))[:most]


def _words(text: str) -> list[str]:
    """In the same letters, however they are written; names_like_this are several words."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(plain.replace("ё", "е").replace("_", " "))  # noqa: RUF001


def _tells(word: str) -> bool:
    return word not in _TELLING_NOTHING and (
        len(word) > 1 or word.isdigit() or _UNSPACED.match(word) is not None
    )


def _roots(word: str) -> Iterator[str]:
    if _UNSPACED.search(word) is not None:
        yield from _pairs(word)
    elif _DIGIT.search(word) is not None:  # a number, or a name with one, is itself or another one
        yield word[:LONGEST]
    else:
        yield word[:ROOT]


def _pairs(word: str) -> Iterator[str]:
    if len(word) == 1:
        yield word
    for start in range(len(word) - 1):
        yield word[start : start + 2]
