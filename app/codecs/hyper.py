"""A chat's texts in the tokens that a model has for them, and such tokens in words again for every other model. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.codecs.places import spliced, spoken, text_of
from app.wire import Request
from scenes.hypertokens import SURFACE, Hypertokens, same_letter


@dataclass(frozen=True, slots=True)
class Tokenised:
    """A chat that was said in other tokens, and how often each surface stands in it now that did not before."""

    request: Request
    uses: Mapping[str, int] = field(default_factory=dict)


def in_tokens(request: Request, book: Hypertokens) -> Tokenised:
    """With a token in place of each text that the book has one for; each message by itself, so a beginning stays."""
    uses: Counter[str] = Counter()

    def encoded(text: str) -> str:
        coded = book.encode(same_letter(text))
        if coded != text:
            uses.update(SURFACE.findall(coded))
            uses.subtract(SURFACE.findall(same_letter(text)))
        return coded

    return Tokenised(_changed(request, encoded), +uses)


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
