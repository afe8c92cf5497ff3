"""The codes of one text alone: what it says again and again is said once, in a legend before it.

    [codes lines=3 legend=1 each §code stands for the phrase after its =]
    §reserve=ERROR c.e.shop.OrderService: could not reserve item
    10:02:11 §reserve 4711
    10:02:12 §reserve 4712

Only whole phrases get one, from word to word within a line, or whole lines, so that no value is ever put together from
pieces. A phrase of several lines, or one that begins with a quote, stands in the legend as a JSON string. Where another
form's block has codes, its marker stands behind the legend.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from scenes.codebook.codes import CODE, LOOKALIKE, named
from scenes.contracts import LARGEST, MARKER, Form, is_marked
from scenes.fold.grep import Grep
from scenes.fold.paths import Paths
from scenes.kinds import is_code, is_json

INNER: Sequence[Form] = (Grep(), Paths())
"""Forms whose blocks may have codes: each of their lines is words of the text."""
if TYPE_CHECKING:
    from scenes.codebook.phrases import Words
    from scenes.codebook.selection import Choice

_HEAD = "[codes lines={lines} legend={legend} each §code stands for the phrase after its =]"
_FOLDED = re.compile(
    re.escape(_HEAD).replace(r"\{lines\}", "([0-9]{1,9})").replace(r"\{legend\}", "([0-9]{1,9})")
)
_ENTRY = re.compile(r"(§[a-z]{2,8})=(.+)")
_LETTER = re.compile(r"[^\W\d_]")


class Adaptive:
    """A `Form`: codes that a text brings along."""

    name = "codes"

    def __init__(
        self, known: Mapping[str, str] = MappingProxyType({}), taken: Collection[str] = frozenset()
    ) -> None:
        """`known` are the phrases of codes that other texts beside this one have: none of them gets another phrase.

        `taken` are codes that stand beside it for themselves: none of them gets a phrase.
        """
        self._known = known
        self._taken = {*known, *taken}
        self._codes = {phrase: code for code, phrase in known.items() if code not in taken}

    @property
    def known(self) -> int:
        """How many codes had a phrase before."""
        return len(self._known)

    def fold(self, text: str) -> str | None:
        return None if is_marked(text) else self._coded("", text)

    def over(self, block: str) -> str | None:
        """A block that an inner form has written, with codes below its marker; None where that would not be shorter."""
        marker, _, body = block.partition("\n")
        return self._coded(f"{marker}\n", body)

    def _coded(self, before: str, text: str) -> str | None:
        if LOOKALIKE.search(text) or is_json(text) or is_code(text.split("\n")):
            return None
        from scenes.codebook.choosing import chosen  # noqa: PLC0415 - numpy

        found = chosen(text, _is_whole)
        codes = self._named([choice.phrase for choice in found[1]]) if found else None
        if found is None or codes is None:
            return None
        folded = _written(before, *found, codes)
        return folded if len(folded) < len(before) + len(text) else None

    def unfold(self, folded: str) -> str:
        head, _, rest = folded.partition("\n")
        said = _FOLDED.fullmatch(head)
        if not said or rest.count("\n") + 1 != int(said[1]):
            raise ValueError("not a text with codes: its first line says how many lines and entries follow")
        *legend, body = rest.split("\n", int(said[2]))
        text = CODE.sub(_Legend(legend, int(said[2])).phrase, body)
        inner = next((form for form in INNER if text.startswith(f"[{form.name} ")), None)
        return text if inner is None or not MARKER.match(text) else inner.unfold(text)

    def canonical(self, text: str) -> str:
        return text

    def phrases(self, folded: str) -> Mapping[str, str]:
        """The phrases of its codes. Raises ValueError for what `fold` cannot have written."""
        said = _FOLDED.match(folded)
        if not said:
            raise ValueError("not a text with codes")
        return _Legend(folded.split("\n", int(said[2]) + 1)[1:-1], int(said[2])).phrases

    def _named(self, phrases: Sequence[str]) -> Sequence[str] | None:
        """A code for each phrase; None where none are left."""
        try:
            new = iter(named([each for each in phrases if each not in self._codes], self._taken))
        except ValueError:
            return None
        return [self._codes.get(each) or next(new) for each in phrases]


class _Legend:
    def __init__(self, lines: list[str], count: int) -> None:
        entries = [_ENTRY.fullmatch(line) for line in lines]
        self.phrases = {entry[1]: _read(entry[2]) for entry in entries if entry}
        self._left = LARGEST
        if len(self.phrases) != count:
            raise ValueError("a legend's lines are §code=phrase, each with a code of its own")

    def phrase(self, code: re.Match[str]) -> str:
        phrase = self.phrases.get(code[0])
        if phrase is None:
            raise ValueError("a code that the legend does not have")
        self._left -= len(phrase)
        if self._left < 0:
            raise ValueError(f"more than {LARGEST} characters")
        return phrase


def _is_whole(phrase: str) -> bool:
    """No quoted value begins or ends within it, and it is no run of numbers: those are columns, or dates in part."""
    return not phrase.count('"') % 2 and bool(_LETTER.search(phrase) or len(phrase.split(None, 1)) == 1)


def _written(before: str, found: "Words", chosen: list["Choice"], codes: Sequence[str]) -> str:
    body = before + "".join(_pieces(found, chosen, codes))
    legend = [f"{code}={_legible(choice.phrase)}" for code, choice in zip(codes, chosen, strict=True)]
    lines = len(legend) + 1 + body.count("\n")
    return "\n".join((_HEAD.format(lines=lines, legend=len(legend)), *legend, body))


def _legible(phrase: str) -> str:
    return json.dumps(phrase, ensure_ascii=False) if "\n" in phrase or phrase[0] == '"' else phrase


def _read(legible: str) -> str:
    if legible[0] != '"':
        return legible
    phrase = json.loads(legible)  # its error is a ValueError, too
    return str(phrase)


def _pieces(found: "Words", chosen: list["Choice"], codes: Sequence[str]) -> Iterator[str]:
    starts, ends = found.starts.tolist(), found.ends.tolist()
    spans = sorted(
        (starts[place], ends[place + choice.words - 1], code, choice.phrase)
        for choice, code in zip(chosen, codes, strict=True)
        for place in choice.places
    )
    at = 0
    for start, end, code, phrase in spans:
        if found.text[start:end] == phrase:
            yield found.text[at:start]
            yield code
            at = end
    yield found.text[at:]
