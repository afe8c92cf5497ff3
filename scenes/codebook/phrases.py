"""Which phrases a text says again: whole words of one line, or whole lines. Pure, and over whole arrays.

Words are numbered by what they are and by the space before them, and all places sorted by what follows (prefix doubling:
U. Manber and G. Myers, "Suffix Arrays", 1993); neighbours that share their first words are then the repeats. Numbers are
hashes: two words with the same one could at worst propose a phrase badly, so who replaces a phrase compares its text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scenes.codebook.codes import LEAST_TOKENS

LONGEST_WORDS = 64
"""Of a phrase. What repeats for longer is said as several."""
CODE_TOKENS = 2.0
"""Of a code in a text, in every tokenizer: a sigil and a word or two letters (`codes`)."""
LINE_TOKENS = 4.0
"""Of a legend's line beside its phrase: code, `=` and the line's end."""
MOST_OFFERED = 128
"""Phrases to choose from. Of the rest none was ever among the 64 that are chosen, within a tenth of a percent."""

Places: TypeAlias = NDArray[np.intp]
Weights: TypeAlias = NDArray[np.float64]
_Points: TypeAlias = NDArray[np.uint8] | NDArray[np.uint32]
_Hashes: TypeAlias = NDArray[np.uint32]

_SHORT = 2**16 - 1
"""Numbers up to this are sorted in a tenth of the time, by their digits (radix sort)."""
_NEWLINE = np.uint8(ord("\n"))
_BASE = 0x9E3779B1


def _powers(base: int) -> _Hashes:
    found = [1]
    for _ in range(2**16 - 1):
        found.append(found[-1] * base % 2**32)
    return np.array(found, dtype=np.uint32)


_UP, _DOWN = _powers(_BASE), _powers(pow(_BASE, -1, 2**32))
"""By the place in the text, modulo their number: a word that lies across is not found again."""

_KINDS = 8
_COSTS = np.zeros((_KINDS, _KINDS), dtype=np.float32)
_COSTS[:6, :6] = [  # space, control, lower, upper, digit, the rest: after the kind of the row
    [0.06, 0.32, 0.84, 0.54, 2.15, 1.12],
    [0.50, 0.06, 1.45, 1.35, 0.72, 0.21],
    [0.00, 0.83, 0.07, 0.40, 1.07, 0.59],
    [0.00, 0.17, 0.16, 0.25, 0.78, 0.87],
    [0.62, 0.88, 0.78, 0.64, 0.60, 0.97],
    [0.09, 0.32, 0.76, 0.28, 0.74, 0.23],
]
"""Tokens, fitted to logs, listings, prose and code in the mean of five tokenizers (Qwen, o200k, cl100k, DeepSeek, Tekken):
within 11 % of each at the median, 30 % at the 95th percentile of four lines."""
_SIGNS, _RULED = 5 * _KINDS + 5, _KINDS * _KINDS - 1
_COSTS[-1, -1] = 0.04
"""Of a sign after the same one: lines are ruled with them, 16 and more to a token."""
_UNKNOWN = np.uint8(ord("?"))
"""What stands for a character beyond ASCII."""


def _kind(character: str) -> int:
    kinds = (character == " ", character < " ", character.islower(), character.isupper(), character.isdigit())
    return kinds.index(True) if any(kinds) else len(kinds)


_KIND_OF = bytes(_kind(chr(point)) if point < 128 else 5 for point in range(256))


@dataclass(frozen=True, slots=True)
class Words:
    """A text's words, each a run without white space. All arrays have one item a word.

    `starts` and `ends` are places in the text, `before` and `after` the tokens up to them, `line_starts` the number of the
    first word on the same line, `line_ends` of the first that no longer is.
    """

    text: str
    starts: Places
    ends: Places
    before: Weights
    after: Weights
    line_starts: Places
    line_ends: Places
    plain: Places
    """What each word is: equal where the words are."""
    spaced: Places
    """The same, with the white space before it."""

    def tokens(self, first: int, words: int) -> float:
        return float(self.after[first + words - 1] - self.before[first])

    def phrase(self, first: int, words: int) -> str:
        return self.text[self.starts[first] : self.ends[first + words - 1]]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A phrase of `words` words that stands at each of `places` (numbers of words, rising); some may overlap."""

    places: list[int]
    words: int
    tokens: float


def worth(uses: float, tokens: float) -> float:
    """Tokens that an entry saves where its phrase of so many is used so often, after its own line is paid."""
    return uses * (tokens - CODE_TOKENS) - tokens - LINE_TOKENS


def words(text: str) -> Words | None:
    """The words of `text`; None where it has none."""
    after_line = "\n" + text
    rough = after_line.encode("ascii", "replace")
    kinds = np.frombuffer(rough.translate(_KIND_OF), dtype=np.uint8)
    bounds = np.flatnonzero(np.diff(kinds > 1, append=False)) + 1
    starts, ends = bounds[::2], bounds[1::2]
    if not len(starts):
        return None
    ascii_points = np.frombuffer(rough, dtype=np.uint8)
    points: _Points = ascii_points
    lines = np.searchsorted(np.flatnonzero(ascii_points == _NEWLINE), starts)
    if not text.isascii():
        points = np.frombuffer(after_line.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    plain, spaced = _hashes(points, starts, ends)
    tokens = _tokens(ascii_points, kinds)
    return Words(
        text=text,
        starts=starts - 1,
        ends=ends - 1,
        before=tokens[starts - 1],
        after=tokens[ends - 1],
        line_starts=np.searchsorted(lines, lines),
        line_ends=np.searchsorted(lines, lines, side="right"),
        plain=_numbered(plain),
        spaced=_numbered(spaced),
    )


def repeats(found: Words, *, most: int = MOST_OFFERED, across_lines: bool = True) -> list[Repeat]:
    """Those phrases of at least `LEAST_TOKENS` that would save most, were no other chosen; the best first.

    None could be longer, to the left or to the right, and stand at as many places. `across_lines`: also whole lines
    together.
    """
    order, shared = _shared(found, across_lines=across_lines)
    changes = np.cumsum(np.diff(_left(found)[order], prepend=-1) != 0).tolist()
    places, before, after = order.tolist(), found.before.tolist(), found.after.tolist()
    offers: list[tuple[float, int, int, int, float]] = []
    for first, last, length in _intervals(shared):
        uses = last - first + 1
        if (
            uses * length > len(places) or changes[last] == changes[first]
        ):  # it overlaps itself, or is part of a longer one
            continue
        tokens = after[places[first] + length - 1] - before[places[first]]
        if (saved := worth(uses, tokens)) > LEAST_TOKENS:
            offers.append((saved, first, last, length, tokens))
    return [
        Repeat(sorted(places[first : last + 1]), length, tokens)
        for _, first, last, length, tokens in nlargest(most, offers)
    ]


def _intervals(shared: Places) -> Iterator[tuple[int, int, int]]:
    """First and last place in the order, and how many words they share: each group that shares more than a larger one."""
    stack: list[tuple[int, int]] = [(0, 0)]  # words shared, and since where
    places = np.flatnonzero(shared)
    last = -1
    for place, length in zip(places.tolist(), shared[places].tolist(), strict=True):
        if place != last + 1:
            while len(stack) > 1:
                depth, since = stack.pop()
                yield since, last, depth
        last = place
        since = place - 1
        while stack[-1][0] > length:
            depth, since = stack.pop()
            yield since, place - 1, depth
        if stack[-1][0] < length:
            stack.append((length, since))
    while len(stack) > 1:
        depth, since = stack.pop()
        yield since, last, depth


def _shared(found: Words, *, across_lines: bool) -> tuple[Places, Places]:
    """All words in the order of what begins with them, and how many each shares with the one before: none where too few."""
    count = len(found.starts)
    ranks = _ranks(found.spaced)
    following = np.append(ranks[-1][1 : count + 1], -1)[:count] + 1
    order = _ordered(found.plain, following)
    first, second = order[:-1], order[1:]
    shared = np.zeros(len(first), dtype=np.intp)
    same = np.flatnonzero(found.plain[first] == found.plain[second])
    shared[same] = 1 + _common(ranks, first[same] + 1, second[same] + 1)
    if across_lines:
        shared = _within_lines(found, first, second, shared)
    else:
        shared = np.minimum(shared, found.line_ends[first] - first)
    shared[found.after[first + shared - 1] - found.before[first] < LEAST_TOKENS] = 0
    return order, np.concatenate(([0], shared))


def _ordered(numbers: Places, following: Places) -> Places:
    """The places in the order of their numbers, then of what follows, then of themselves. None is above how many they are."""
    if len(numbers) > _SHORT:
        return np.argsort(numbers * (len(numbers) + 2) + following, kind="stable")
    order = np.argsort(following.astype(np.uint16), kind="stable")
    ordered: Places = order[np.argsort(numbers.astype(np.uint16)[order], kind="stable")]
    return ordered


def _within_lines(found: Words, first: Places, second: Places, shared: Places) -> Places:
    """No more of what is shared than is on one line; or where both places begin a line, than is on whole lines."""
    lines = np.append(found.line_starts, len(found.line_starts))
    whole = np.maximum(lines[first + shared] - first, found.line_ends[first] - first)
    begins = (found.line_starts[first] == first) & (found.line_starts[second] == second)
    return np.minimum(shared, np.where(begins, whole, found.line_ends[first] - first))


def _ranks(numbers: Places) -> list[Places]:
    """For 1, 2, 4 ... words: which sequence of so many begins at each place. A place beyond the last has -1."""
    count = len(numbers)
    ranks = [np.append(numbers, -1)]
    length = 1
    while length < LONGEST_WORDS and ranks[-1].max() < count - 1:
        ahead = np.full(count, -1, dtype=np.intp)
        ahead[:-length] = ranks[-1][length:count]
        ranks.append(np.append(_numbered(ranks[-1][:count] * (count + 1) + ahead + 1), -1))
        length *= 2
    return ranks


def _common(ranks: list[Places], first: Places, second: Places) -> Places:
    """How many words the sequences share that begin at `first` and `second`."""
    shared = np.zeros(len(first), dtype=np.intp)
    for level in range(len(ranks) - 1, -1, -1):
        rank = ranks[level]
        shared += (rank[first + shared] == rank[second + shared]) << level
    return shared


def _left(found: Words) -> Places:
    """What stands before each word; at the start of a line nothing that another place has."""
    count = len(found.starts)
    left = np.empty(count, dtype=np.intp)
    left[1:] = found.plain[:-1] * count + found.spaced[1:]
    opens = np.flatnonzero(found.line_starts == np.arange(count))
    left[opens] = -2 - opens
    return left


def _hashes(points: _Points, starts: Places, ends: Places) -> tuple[_Hashes, _Hashes]:
    """Of each word, and of each with the white space before it: a number that is the same where the characters are."""
    runs = np.zeros(2 * len(starts), dtype=np.intp)
    runs[1::2] = starts
    runs[2::2] = ends[:-1]
    size = int(ends[-1])
    sums = np.add.reduceat(
        points[:size] * (_UP[:size] if size <= len(_UP) else np.resize(_UP, size)), runs, dtype=np.uint32
    )
    sums *= _DOWN[runs & (len(_DOWN) - 1)]
    return sums[1::2], sums[1::2] * np.uint32(_BASE) + sums[::2]


def _numbered(keys: NDArray[Any]) -> Places:
    """The keys' ranks among the distinct ones, from 0."""
    order = np.argsort(keys)
    ordered = keys[order]
    ranks = np.empty(len(keys), dtype=np.intp)
    ranks[order] = np.cumsum(np.concatenate(([False], ordered[1:] != ordered[:-1])))
    return ranks


def _tokens(rough: NDArray[np.uint8], kinds: NDArray[np.uint8]) -> Weights:
    """Estimated tokens up to and with each character: what one costs depends on its kind and on the kind before."""
    pairs = kinds[:-1] * np.uint8(_KINDS) + kinds[1:]
    pairs[(pairs == _SIGNS) & (rough[1:] == rough[:-1]) & (rough[1:] != _UNKNOWN)] = _RULED
    tokens = np.zeros(len(kinds))
    np.cumsum(_COSTS.ravel()[pairs], out=tokens[1:])
    return tokens
