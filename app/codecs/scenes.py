"""The codec that says data in a prompt shorter. Pure but for what it remembers of parts it has seen."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import msgspec

from app.codecs.memo import Memo, key_of
from app.codecs.places import Place, places, text_of
from app.contracts import Layer, Saving
from app.operations import Dialect
from app.wire import Members, Request
from scenes.encoder import Encoder, Shorter

LEAST_BYTES = 160
"""What is shorter cannot save enough to be changed."""
MOST_CHARACTERS = 1_000_000
"""Of a part: to say a longer one shorter takes above a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the parts of one prompt are encoded; `policy` is the same where the same comes of the same text."""

    layer: Layer
    encoder: Encoder
    policy: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """A prompt said shorter: the request, what that saved, and the phrases of the codes in it."""

    request: Request
    saving: Saving
    phrases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Part:
    """A place whose text is said shorter."""

    place: Place
    text: str
    found: Sequence[Shorter]


class _Known:
    """The codes of a prompt so far, and their digest: what a part becomes depends on those before it and no others."""

    def __init__(self) -> None:
        self.phrases: dict[str, str] = {}
        self.digest = b""

    def add(self, codes: Mapping[str, str]) -> None:
        if codes:
            self.phrases.update(codes)
            self.digest = blake2b(msgspec.json.encode(sorted(self.phrases.items())), digest_size=16).digest()


class Scenes:
    """Encodes requests; each part of one by itself, so that a prompt that grows keeps its beginning byte for byte."""

    def __init__(self, encodings: Callable[[str, Layer], Encoding], memo: Memo) -> None:
        """`encodings` tells how for a model and a layer."""
        self._encodings = encodings
        self._memo = memo

    def encode(self, request: Request, dialect: Dialect, model: str, layer: Layer) -> Said:
        """The request with its data said shorter, and what that saved; where nothing did, the request as it was."""
        encoding, known = self._encodings(model, layer), _Known()
        parts = list(self._parts(request, dialect, encoding, known))
        found = [each for part in parts for each in part.found]
        forms = Counter(each.form for each in found)
        saving = Saving(layer, forms, sum(each.before for each in found), sum(each.after for each in found))
        return Said(_spliced(request, parts) if parts else request, saving, known.phrases)

    def _parts(
        self, request: Request, dialect: Dialect, encoding: Encoding, known: _Known
    ) -> Iterator[_Part]:
        body = request.members.body
        for place in places(request, dialect, LEAST_BYTES):
            text = text_of(body, place)
            if text is None:
                continue
            pieces: list[str] = []
            found: list[Shorter] = []
            position = 0
            for block in place.blocks(text):
                shorter = self._shorter(text[block.start : block.end], encoding, known)
                if shorter is not None:
                    known.add(shorter.codes)
                    pieces += (text[position : block.start], shorter.text)
                    position = block.end
                    found.append(shorter)
            if found:
                yield _Part(place, "".join([*pieces, text[position:]]), found)

    def _shorter(self, text: str, encoding: Encoding, known: _Known) -> Shorter | None:
        if not LEAST_BYTES <= len(text) <= MOST_CHARACTERS:
            return None
        key = key_of(encoding.policy + known.digest, text)
        is_known, found = self._memo.get(key)
        if not is_known:
            found = encoding.encoder.shorter(text, known.phrases)
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
