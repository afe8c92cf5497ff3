"""The codec that says data in a prompt shorter. Pure but for what it remembers of parts it has seen."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b

import msgspec

from app.codecs.memo import Memo, key_of
from app.codecs.places import Place, places, spliced, text_of
from app.contracts import Layer, Saving
from app.operations import Dialect
from app.system_text import BETWEEN, behind, in_messages
from app.wire import Request
from scenes.codebook.book import Codebook
from scenes.codebook.codes import NAMES, SIGIL
from scenes.shortener import Shortener, Shorter

LEAST_BYTES = 160
"""What is shorter cannot save enough to be changed."""
MOST_CHARACTERS = 1_000_000
"""Of a part: to say a longer one shorter takes above a tenth of a second."""
EPOCH_DIGITS = 12
"""Of a codebook's digest, where a client is told it."""
_DIGEST_BYTES = 16
_SIGILS = (SIGIL.encode(), rb"\u00a7", rb"\u00A7")
_WRITTEN = re.compile(rb"(?:\xc2\xa7|\\u00[aA]7)([a-z]{2,8})(?![a-zA-Z0-9])")
_BEFORE = ("tools", "functions")
"""Members that a model reads before the messages, wherever they stand."""
_MOST_LEGENDS = 1000
"""Whose tokens are known: one for each codebook and way to count."""


@dataclass(frozen=True, slots=True)
class Method:
    """How the parts of one prompt are encoded; `policy` is the same where the same comes of the same text."""

    layer: Layer
    shortener: Shortener
    policy: bytes


@dataclass(frozen=True, slots=True)
class Shortened:
    """A prompt said shorter: the request, what that saved, the phrases of the codes in it, and the codebook that it tells."""

    request: Request
    saving: Saving
    phrases: Mapping[str, str]
    book: Codebook | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A place whose text is said shorter."""

    place: Place
    text: str
    found: Sequence[Shorter]


class _Known:
    """The codes of a prompt so far, and their digest: what a part becomes depends on those before it and no others.

    `taken` are those that somebody else wrote: no reader could tell which of the two is meant.
    """

    def __init__(self, book: Codebook | None) -> None:
        self.book = book
        self.taken: set[str] = set()
        self.phrases: dict[str, str] = {} if book is None else dict(book.phrases)
        self._epoch = b"" if book is None else bytes.fromhex(book.digest)
        self.digest = self._epoch[:_DIGEST_BYTES]

    def add(self, codes: Mapping[str, str]) -> None:
        if codes:
            self.phrases.update(codes)
            self._changed()

    def meet(self, written: bytes) -> None:
        """What stands in the prompt as it came (JSON)."""
        codes = {code for code in _codes(written) if code[1:] in NAMES or code in self.phrases}
        if not codes <= self.taken:
            self.taken |= codes
            self._changed()

    def undoable(self) -> Mapping[str, str]:
        """The phrases of the codes that mean nothing else in this prompt."""
        return {code: phrase for code, phrase in self.phrases.items() if code not in self.taken}

    def _changed(self) -> None:
        told = msgspec.json.encode([sorted(self.phrases.items()), sorted(self.taken)])
        self.digest = blake2b(told, key=self._epoch, digest_size=_DIGEST_BYTES).digest()


def _codes(written: bytes) -> Iterator[str]:
    """What looks like a code there."""
    if any(sigil in written for sigil in _SIGILS):
        yield from (SIGIL + found[1].decode() for found in _WRITTEN.finditer(written))


class Scenes:
    """Encodes requests; each part of one by itself, so that a prompt that grows keeps its beginning byte for byte."""

    def __init__(self, methods: Callable[[str, Layer], Method], memo: Memo) -> None:
        """`methods` tells how for a model and a layer."""
        self._methods = methods
        self._memo = memo
        self._legend_tokens = lru_cache(_MOST_LEGENDS)(self._count)

    def encode(
        self, request: Request, dialect: Dialect, model: str, layer: Layer, book: Codebook | None = None
    ) -> Shortened:
        """The request with its data said shorter, and what that saved; where nothing did, the request as it was.

        With a `book`, which a layer with codes may have, its legend stands behind the system text, also where nothing in this
        prompt has one of its codes yet. It is the same in every prompt of a conversation, or its beginning changes.
        """
        method, known = self._methods(model, layer), _Known(book)
        parts = list(self._parts(request, dialect, method, known))
        found = [each for part in parts for each in part.found]
        forms = Counter(each.form for each in found)
        saving = Saving(layer, forms, sum(each.before for each in found), sum(each.after for each in found))
        if parts:
            request = spliced(request, [(part.place, part.text) for part in parts])
        if book is None:
            return Shortened(request, saving, known.undoable())
        saving = replace(
            saving,
            legend_tokens=self._legend_tokens(model, layer, book.legend),
            epoch=book.digest[:EPOCH_DIGITS],
        )
        return Shortened(_told(request, book.legend), saving, known.undoable(), book)

    def _count(self, model: str, layer: Layer, legend: str) -> int:
        return self._methods(model, layer).shortener.count(BETWEEN + legend) if legend else 0

    def _parts(self, request: Request, dialect: Dialect, method: Method, known: _Known) -> Iterator[_Part]:
        for place in _met(request, dialect, known) if method.layer != "safe" else _all(request, dialect):
            text = text_of(request.members.body, place)
            part = None if text is None else self._part(place, text, method, known)
            if part is not None:
                yield part

    def _part(self, place: Place, text: str, method: Method, known: _Known) -> _Part | None:
        pieces: list[str] = []
        found: list[Shorter] = []
        position = 0
        for block in place.blocks(text):
            shorter = self._shorter(text[block.start : block.end], method, known)
            if shorter is not None and place.fits(shorter.text):
                known.add(shorter.codes)
                pieces += (text[position : block.start], shorter.text)
                position = block.end
                found.append(shorter)
        return _Part(place, "".join([*pieces, text[position:]]), found) if found else None

    def _shorter(self, text: str, method: Method, known: _Known) -> Shorter | None:
        if not LEAST_BYTES <= len(text) <= MOST_CHARACTERS:
            return None
        key = key_of(method.policy + known.digest, text)
        is_known, found = self._memo.get(key)
        if not is_known:
            found = method.shortener.shorter(text, known.phrases, known.book, known.taken)
            self._memo.put(key, found)
        return found


def _all(request: Request, dialect: Dialect) -> Iterator[Place]:
    return places(request, dialect, LEAST_BYTES)


def _met(request: Request, dialect: Dialect, known: _Known) -> Iterator[Place]:
    """The places, each when all that a model reads before it is known, and its own text."""
    members = request.members
    for name in _BEFORE:
        known.meet(members.raw(name) or b"")
    position, end = members.spans.get("messages", (0, 0))
    for place in _all(request, dialect):
        known.meet(members.body[position : place.end])
        yield place
        position = place.end
    known.meet(members.body[position:end])


def _told(request: Request, legend: str) -> Request:
    """The chat with the legend behind its system text; as it was where there is none."""
    messages = request.members.raw("messages")
    if not legend or messages is None:
        return request
    changed = {"messages": in_messages(messages, legend, behind)}
    return replace(request, members=request.members.changed(changed))
