"""The codec that says data in a prompt shorter. Pure but for what it remembers of parts it has seen."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import msgspec

from app.codecs.memo import Memo, key_of
from app.codecs.places import Place, places, text_of
from app.contracts import Layer, Saving
from app.operations import Dialect
from app.wire import Members, Request
from scenes.encoder import Encoder, Shorter

LEAST_BYTES = 160
"""What is shorter cannot save enough to be changed."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the parts of one prompt are encoded; `policy` is the same where the same comes of the same text."""

    layer: Layer
    encoder: Encoder
    policy: bytes


@dataclass(frozen=True, slots=True)
class _Part:
    """A place whose text is said shorter."""

    place: Place
    text: str
    found: tuple[Shorter, ...]


class Scenes:
    """Encodes requests; each part of one by itself, so that a prompt that grows keeps its beginning byte for byte."""

    def __init__(self, encodings: Callable[[str, Layer], Encoding], memo: Memo) -> None:
        """`encodings` tells how for a model and a layer."""
        self._encodings = encodings
        self._memo = memo

    def encode(self, request: Request, dialect: Dialect, model: str, layer: Layer) -> tuple[Request, Saving]:
        """The request with its data said shorter, and what that saved; where nothing did, the request as it was."""
        encoding = self._encodings(model, layer)
        parts = list(self._parts(request, dialect, encoding))
        found = [each for part in parts for each in part.found]
        forms = Counter(form for each in found for form in each.forms)
        saving = Saving(layer, forms, sum(each.before for each in found), sum(each.after for each in found))
        return (_spliced(request, parts) if parts else request), saving

    def _parts(self, request: Request, dialect: Dialect, encoding: Encoding) -> Iterator[_Part]:
        body = request.members.body
        for place in places(request, dialect, LEAST_BYTES):
            text = text_of(body, place)
            if text is None:
                continue
            pieces: list[str] = []
            found: list[Shorter] = []
            position = 0
            for block in place.blocks(text):
                shorter = self._shorter(text[block.start : block.end], encoding)
                if shorter is not None:
                    pieces += (text[position : block.start], shorter.text)
                    position = block.end
                    found.append(shorter)
            if found:
                yield _Part(place, "".join([*pieces, text[position:]]), tuple(found))

    def _shorter(self, text: str, encoding: Encoding) -> Shorter | None:
        if len(text) < LEAST_BYTES:
            return None
        key = key_of(encoding.policy, text)
        is_known, found = self._memo.get(key)
        if not is_known:
            found = encoding.encoder.shorter(text)
            self._memo.put(key, found)
        return found


def _spliced(request: Request, parts: list[_Part]) -> Request:
    """The request with these texts; every other byte as it was."""
    body = request.members.body
    pieces: list[bytes] = []
    position = 0
    for part in parts:
        pieces += (body[position : part.place.start], msgspec.json.encode(part.text))
        position = part.place.end
    pieces.append(body[position:])
    return replace(request, members=Members.of(b"".join(pieces)))
