"""What encoding would do to a prompt; no model is asked, and no metric counts it."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import msgspec

from app import config
from app.bounds import Bounds
from app.codecs.memo import Memo
from app.codecs.methods import Methods
from app.codecs.scenes import Scenes, Shortened
from app.codecs.trial import Part, RoundTrip, Tokens, Trial, in_a_tool
from app.codecs.vocabularies import Unreadable, Vocabularies, found_in
from app.contracts import LAYERS, Call, Caller, Layer, Route
from app.encoding import Encoding
from app.errors import BadRequest
from app.exchange import Exchange
from app.journal import Record
from app.operations import CHAT
from app.users import user_of
from app.wire import MAX_MODEL_LENGTH, Members, Request
from app.wishes import wishes
from scenes.codebook.book import Codebook
from scenes.codebook.shared import book_of
from scenes.forms import Undecodable, decoded
from scenes.measures import Density

_messages = msgspec.json.Decoder(list[dict[str, Any]])

CHANGING: Sequence[Layer] = tuple(layer for layer in LAYERS if layer not in {"off", "shadow"})
"""Layers that may be tried."""
_NOWHERE = Route("", "", "", "a dry run")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of a prompt: of a text, or of messages (JSON)."""

    object: str
    layer: Layer
    model: str | None
    text: str | None
    messages: msgspec.Raw | None
    forms: Mapping[str, int]
    parts: Sequence[Part] | None
    tokens: Sequence[Tokens]
    legend: Mapping[str, str]
    round_trip: RoundTrip | None
    density: Density | None
    facts: float | None
    refused: str | None
    encode_ms: float


@dataclass(frozen=True, slots=True)
class Measuring:
    """What a trial is measured with: `lenient` methods change whatever saves a token."""

    lenient: Methods
    vocabularies: Vocabularies

    @classmethod
    def of(cls, settings: config.Scenes, vocabularies: Vocabularies) -> "Measuring":
        anything = settings.model_copy(update={"least_tokens": 1, "least_share": 0.0})
        return cls(Methods(anything, vocabularies), vocabularies)

    def measured(self, before: Request, said: Shortened, model: str) -> Rehearsed:
        """Everything about it, but for the messages."""
        layer = said.saving.layer
        trial = Trial(before, said, self.lenient.of(model, layer).shortener)
        parts, dense, refused = self._counted(trial, model)
        return Rehearsed(
            object="scenes.encoding",
            layer=layer,
            model=model or None,
            text=None,
            messages=None,
            forms=said.saving.forms,
            parts=parts,
            tokens=[*self._tokens(trial)],
            legend=said.phrases,
            round_trip=trial.round_trip(),
            density=dense,
            facts=trial.facts(),
            refused=said.saving.why or refused,
            encode_ms=round(said.saving.seconds * 1000, 3),
        )

    def _counted(self, trial: Trial, model: str) -> tuple[Sequence[Part] | None, Density | None, str | None]:
        """Its parts and density, by the model's own vocabulary; None and why where that cannot be read."""
        try:
            return trial.parts(), trial.density(self.vocabularies.counters(model)[0]), None
        except Unreadable as fault:
            _log.error("a vocabulary cannot be used: %s", fault)
            return None, None, "tokenizer"

    def _tokens(self, trial: Trial) -> Iterator[Tokens]:
        is_exact = bool(self.vocabularies.families)
        for counter in self.vocabularies.every():
            try:
                yield from trial.tokens([counter], exact=is_exact)
            except Unreadable as fault:
                _log.error("a vocabulary cannot be used: %s", fault)


def rehearsed(text: str, model: str, layer: Layer, settings: config.Scenes) -> Rehearsed:
    """What came of a text, in a layer that loses nothing, by a model's own name. Raises Unreadable."""
    files = {} if settings.tokenizers is None else found_in(settings.tokenizers)
    vocabularies = Vocabularies(files)
    before = Request(in_a_tool(msgspec.json.encode(text)), model, stream=False, include_usage=False)
    scenes = Scenes(Methods(settings, vocabularies).of, Memo())
    began = perf_counter()
    said = scenes.encode(before, "chat", model, layer)
    said = replace(said, saving=replace(said.saving, seconds=perf_counter() - began))
    found = Measuring.of(settings, vocabularies).measured(before, said, model)
    return replace(found, text=said.request.members.value("messages")[-1]["content"])


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be tried: a chat, which stands for a text where `is_text`; and the request as it came."""

    chat: Members
    is_text: bool
    came: Request
    layer: Layer | None

    def call(self, headers: Mapping[bytes, bytes], caller: Caller, record: Record) -> Call:
        asked = wishes(headers, self.came)
        return Call(
            record.id,
            CHAT,
            replace(self.came, members=self.chat).for_upstreams(),
            caller,
            (),
            asyncio.get_running_loop().time(),
            user=user_of(self.came, caller),
            wishes=replace(asked, scenes=self.layer or asked.scenes),
        )


class Rehearsal:
    """Tries one prompt at a time: it takes a thread a second or two, and nobody's answer waits for it."""

    def __init__(
        self,
        exchange: Exchange,
        bounds: Bounds,
        encoding: Encoding,
        measuring: Measuring,
        books: Iterable[Codebook],
    ) -> None:
        """`books` are those that texts may have been said with."""
        self._exchange = exchange
        self._bounds = bounds
        self._encoding = encoding
        self._measuring = measuring
        self._books = {book.id: book for book in books}
        self._alone = asyncio.Lock()

    async def of(
        self, body: bytes, headers: Mapping[bytes, bytes], caller: Caller, record: Record
    ) -> Rehearsed:
        """Raises what the call would be refused with, and BadRequest."""
        wanted = _wanted(body)
        call = wanted.call(headers, caller, record)
        await self._bounds.check(call)
        _must_hold_messages(call.request.members)
        route = await self._route(call, record)
        layer = self._encoding.layer_of(call, route)
        async with self._alone:
            said = await self._encoding.tried(
                call, route, call.request, layer if layer in CHANGING else "safe"
            )
            found = await asyncio.to_thread(self._measuring.measured, call.request, said, route.model)
        if wanted.is_text:
            return replace(found, text=said.request.members.value("messages")[-1]["content"])
        return replace(found, messages=msgspec.Raw(said.request.members.raw("messages") or b"[]"))

    async def undone(self, body: bytes) -> str:
        """The text of `{"text": ...}` as it was. Raises BadRequest."""
        text = _string(Members.of(body), "text")
        book = self._books.get(book_of(text) or "")
        async with self._alone:
            try:
                return await asyncio.to_thread(decoded, text, book)
            except Undecodable as fault:
                raise BadRequest(f"The text cannot be undone: {fault}.", param="text") from None

    async def _route(self, call: Call, record: Record) -> Route:
        """Where the call would go first; nowhere where it names no model."""
        if not call.request.model:
            return _NOWHERE
        explained = await self._exchange.explained(call, record)
        if explained.plan is None:
            assert explained.failure is not None
            raise explained.failure
        return explained.plan.routes[0]


def _wanted(body: bytes) -> _Wanted:
    members = Members.of(body)
    is_text = members.has("text")
    if is_text is members.has("messages"):
        raise BadRequest("Send 'text' or 'messages', one of the two.")
    if is_text:
        _string(members, "text")
        chat = in_a_tool(members.raw("text") or b"")
    else:
        chat = members
    model = _string(members, "model") if members.has("model") else ""
    if len(model) > MAX_MODEL_LENGTH:
        raise BadRequest(f"'model' must have 1 to {MAX_MODEL_LENGTH} characters.", param="model")
    came = Request(members, model, stream=False, include_usage=False)
    return _Wanted(chat, is_text, came, _layer(members))


def _layer(members: Members) -> Layer | None:
    name = _string(members, "layer") if members.has("layer") else ""
    layer = next((each for each in CHANGING if each == name), None)
    if name and layer is None:
        raise BadRequest(f"'layer' must be one of {', '.join(CHANGING)}.", param="layer")
    return layer


def _string(members: Members, name: str) -> str:
    try:
        value = members.value(name)
    except msgspec.DecodeError:  # half a character
        value = None
    if not isinstance(value, str):
        raise BadRequest(f"{name!r} must be a string.", param=name)
    return value


def _must_hold_messages(members: Members) -> None:
    """Raises BadRequest where no texts can be read there."""
    try:
        _messages.decode(members.raw("messages") or b"")
    except msgspec.DecodeError:
        raise BadRequest("'messages' must be an array of objects.", param="messages") from None
