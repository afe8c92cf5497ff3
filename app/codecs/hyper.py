"""A chat's texts in the tokens that a model has for them, such tokens in words again for every other model, and the answer in
words. Pure.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.codecs.focusing import unmarked
from app.codecs.places import spliced, spoken, text_of
from app.codecs.refusing import Wanted, choices, is_json
from app.codecs.turns import Again
from app.codecs.undoing import HYPERTOKENS, Undoing
from app.codecs.undone import Undone
from app.contracts import Answer, Decoder, Route
from app.operations import Operation
from app.wire import Request
from scenes.hypertokens import OPENING, SURFACE, Hypertokens, same_letter

FORM = "hypertoken"
_SIGNS = (b"<|", rb"\u003c", rb"\u003C")


@dataclass(frozen=True, slots=True)
class Tokenised:
    """A chat that was said in other tokens, and how often each surface stands in it now that did not before."""

    request: Request
    uses: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hyper:
    """The books of a configuration, by the names that models give them."""

    books: Mapping[str, Hypertokens] = field(default_factory=dict)

    def why(self, route: Route) -> str:
        """Why a model reads no hypertokens, in one word; "" where it does."""
        return "" if route.hypertokens in self.books else "hypertokens"

    def told(self, request: Request, route: Route, why: str) -> Again:
        """The request in the model's own tokens, where nothing speaks against it; without the marks of passages either way."""
        plain = unmarked(request)
        if why:
            return Again(plain)
        book = self.books[route.hypertokens]
        said = in_tokens(plain, book)
        tokens = {entry.token: entry.tokens for entry in book.entries if entry.token in said.uses}
        before = sum(tokens[surface] * count for surface, count in said.uses.items())
        count = sum(said.uses.values())
        return Again(said.request, (FORM,) * count, before, count)

    def spelled(self, request: Request, route: Route) -> Request:
        """The request without the tokens that a client wrote, for a model that has none, behind one that has them."""
        book = self.books.get(route.spells)
        may_have_some = any(sign in request.members.body for sign in _SIGNS)
        if book is None or route.hypertokens or not may_have_some:
            return request
        return in_words(request, book)

    def reading(self, decoder: Decoder, operation: Operation, route: Route, request: Request) -> Decoder:
        """The decoder of a model that may answer with its own tokens, whatever it was asked in."""
        book = self.books.get(route.hypertokens)
        if book is None or operation.dialect != "chat":
            return decoder
        wanted = Wanted(request.members, route.defaults)
        return InWords(decoder, Undoing(book.phrases, is_json(wanted), HYPERTOKENS, choices(wanted)))


@dataclass(frozen=True, slots=True)
class InWords:
    """A decoder behind which an answer is in words."""

    decoder: Decoder
    undoing: Undoing

    def decode(self, answer: Answer) -> Answer:
        return self.decoder.decode(Undone(answer, self.undoing))


def in_tokens(request: Request, book: Hypertokens) -> Tokenised:
    """With a token in place of each text that the book has one for; each message by itself, so a beginning stays."""
    uses: Counter[str] = Counter()

    def encoded(text: str) -> str:
        text = same_letter(text)
        if OPENING in text:
            return text
        coded = book.encode(text)
        uses.update(SURFACE.findall(coded))
        return coded

    return Tokenised(_changed(request, encoded), uses)


def in_words(request: Request, book: Hypertokens) -> Request:
    """With the texts of the tokens that a client wrote, for a model that has none of them."""
    return _changed(request, lambda text: book.decode(same_letter(text)))


def _changed(request: Request, change: Callable[[str], str]) -> Request:
    body = request.members.body
    found = [(place, text_of(body, place)) for place in spoken(request)]
    changed = [
        (place, after) for place, text in found if text is not None and (after := change(text)) != text
    ]
    return spliced(request, changed) if changed else request
