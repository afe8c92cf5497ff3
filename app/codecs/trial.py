"""What came of a prompt that was said shorter: part by part, in tokens, and whether it comes back. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from app.codecs.places import Place, places, text_of
from app.codecs.scenes import LEAST_BYTES, MOST_CHARACTERS, Shortened
from app.contracts import Layer
from app.wire import Members, Request
from scenes.codebook.book import Codebook
from scenes.contracts import MARKER, Counter
from scenes.facts import kept
from scenes.fold.json_text import JsonText
from scenes.forms import Undecodable, decoded, form_of
from scenes.measures import Density, density
from scenes.shortener import Shortener

LOSSLESS: frozenset[Layer] = frozenset(("safe", "codebook"))
MOST_MEASURED_CHARACTERS = 200_000
"""Of a text whose density is told: facts are looked for in it four times, and it is packed once."""

_JSON = JsonText()
_messages = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a prompt that is data, in the message with this number (from 0).

    `form` is the one it took; None where it stays as it was, and `why` says why.
    """

    message: int
    characters: int
    characters_after: int
    form: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of all texts of the prompt, its system text and its legend too, by one tokenizer; an inexact one is an estimate."""

    tokenizer: str
    exact: bool
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Whether what was undone is what was given: to the character; or but for the spaces between the tokens of JSON."""

    exact: bool
    canonical: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A prompt before and after. `lenient` encodes whatever saves a token, which says why something else did not."""

    before: Request
    said: Shortened
    lenient: Shortener

    def parts(self) -> Sequence[Part] | None:
        """None where the layer leaves something out: then parts have no places that agree."""
        if self.said.saving.layer not in LOSSLESS:
            return None
        starts = [*_starts(self.before)]
        return [
            self._part(bisect_right(starts, place.start) - 1, place, block, after)
            for place, pair in self._pairs()
            for block, after in _blocks(place, *pair)
        ]

    def round_trip(self) -> RoundTrip | None:
        """None where the layer leaves something out."""
        if self.said.saving.layer not in LOSSLESS:
            return None
        found = [_undone(place, *pair, self.said.book) for place, pair in self._pairs()]
        return RoundTrip(all(each.exact for each in found), all(each.canonical for each in found))

    def tokens(self, counters: Sequence[Counter], *, exact: bool) -> Sequence[Tokens]:
        texts, said = text_in(self.before), text_in(self.said.request)
        return [Tokens(each.name, exact, each.count(texts), each.count(said)) for each in counters]

    def density(self, counter: Counter) -> Density | None:
        """None for what is too long to be measured."""
        texts = text_in(self.before)
        if len(texts) > MOST_MEASURED_CHARACTERS:
            return None
        return density(texts, text_in(self.said.request), counter)

    def facts(self) -> float | None:
        """The share of the facts that are still stated (R1)."""
        texts = text_in(self.before)
        if len(texts) > MOST_MEASURED_CHARACTERS:
            return None
        return kept(texts, text_in(self.said.request))

    def _pairs(self) -> Iterator[tuple[Place, tuple[str, str]]]:
        """Each place with its text before and after."""
        after = self.said.request
        for one, other in zip(places(self.before, "chat", 1), places(after, "chat", 1), strict=True):
            text, said = text_of(self.before.members.body, one), text_of(after.members.body, other)
            if text is not None and said is not None:
                yield one, (text, said)

    def _part(self, message: int, place: Place, block: str, after: str) -> Part:
        if block == after:
            return Part(message, len(block), len(after), why=self._why(place, block))
        form = form_of(after, self.said.book) or _JSON
        return Part(message, len(block), len(after), form.name)

    def _why(self, place: Place, block: str) -> str:
        if len(block) < LEAST_BYTES:
            return f"it has fewer than {LEAST_BYTES} characters"
        if len(block) > MOST_CHARACTERS:
            return f"it has more than {MOST_CHARACTERS} characters"
        if MARKER.search(block) is not None:
            return "it has a line like a form's first one: nothing could tell the two apart"
        found = self.lenient.shorter(block, {}, self.said.book)
        if found is None:
            return "no form of it has fewer tokens"
        if not place.fits(found.text):
            return "its form has a line like a fence, which would end the block"
        return (
            f"the form {found.form} saves {found.before - found.after} of {found.before} tokens: fewer than "
            "scenes.least_tokens or scenes.least_share ask for"
        )


def text_in(request: Request) -> str:
    """All texts of a chat's messages, one below the other."""
    return "\n".join(_texts(request))


def _texts(request: Request) -> Iterator[str]:
    for message in request.members.value("messages"):
        content = message.get("content") if isinstance(message, Mapping) else None
        parts = content if isinstance(content, list) else [{"text": content}]
        for part in parts:
            text = part.get("text") if isinstance(part, Mapping) else None
            if isinstance(text, str):
                yield text


def _starts(request: Request) -> Iterator[int]:
    """Where the messages begin in the body."""
    body = request.members.body
    start, end = request.members.spans["messages"]
    for raw in _messages.decode(memoryview(body)[start:end]):
        start = body.index(bytes(raw), start)
        yield start
        start += len(memoryview(raw))


def _blocks(place: Place, text: str, said: str) -> Iterator[tuple[str, str]]:
    """The parts of a text that are data, each as it was and as it is said."""
    for one, other in zip(place.blocks(text), place.blocks(said), strict=False):
        yield text[one.start : one.end], said[other.start : other.end]


def _undone(place: Place, text: str, said: str, book: Codebook | None) -> RoundTrip:
    """Whether all comes back: each part by undoing it, and what is around them as it is."""
    if text == said:
        return RoundTrip(exact=True, canonical=True)
    pieces: list[str] = []
    position = 0
    exact = canonical = True
    for one, other in zip(place.blocks(text), place.blocks(said), strict=False):
        block, after = text[one.start : one.end], said[other.start : other.end]
        undone = after if block == after else _decoded(after, book)
        exact = exact and undone == block
        canonical = canonical and undone in {block, _JSON.canonical(block)}
        pieces += (said[position : other.start], block)
        position = other.end
    is_around = "".join([*pieces, said[position:]]) == text
    return RoundTrip(exact and is_around, canonical and is_around)


def _decoded(block: str, book: Codebook | None) -> str | None:
    try:
        return decoded(block, book)
    except Undecodable:
        return None


def in_a_tool(text: bytes) -> Members:
    """A chat in which a tool has given this text (a JSON string) back."""
    return Members.of(b'{"messages":[{"role":"tool","content":%s}]}' % text)
