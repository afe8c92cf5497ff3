"""Counting a text's tokens as a model family does.

tiktoken counts; it is given the vocabulary, and asked for nothing that it would fetch.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from scenes.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tiktoken import Encoding

SLICE = 32_768
"""Characters that are counted at once: of a million spaces in one text the engine's pattern runs out of stack."""
_CUT = re.compile(r"\n(?=[0-9A-Za-z])")
"""No family's pattern goes over this place, so that the parts have the tokens of the whole."""


class Exact:
    """Counts with a family's own vocabulary; it holds 50 to 100 MB.

    What stands for a special token in a text is counted as the text that it is: an upstream does the same.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._name = vocabulary.family
        self._composed = vocabulary.composed
        self._encoding = _engine(vocabulary)

    @property
    def name(self) -> str:
        return self._name

    def count(self, text: str) -> int:
        """The tokens of a text, exactly; where a line is longer than `SLICE` characters, a token too many for each cut in it."""
        if self._composed and not text.isascii():
            text = unicodedata.normalize("NFC", text)
        if len(text) <= SLICE:
            return len(self._encoding.encode_ordinary(text))
        return sum(len(self._encoding.encode_ordinary(part)) for part in _parts(text))


def _engine(vocabulary: Vocabulary) -> "Encoding":
    """ValueError where the pattern is none."""
    from tiktoken import Encoding  # noqa: PLC0415 - a gateway without vocabularies does without it

    ranks = dict(vocabulary.ranks)
    return Encoding(vocabulary.family, pat_str=vocabulary.pattern, mergeable_ranks=ranks, special_tokens={})


def _parts(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > SLICE:
        end = start + SLICE
        for found in _CUT.finditer(text, start + SLICE // 2, end):
            end = found.end()
        yield text[start:end]
        start = end
    yield text[start:]
