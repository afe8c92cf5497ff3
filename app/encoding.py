"""Which prompts are said in fewer tokens, where that is done, and what is measured of those that are not."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import BoundedSemaphore
from time import perf_counter
from typing import TypeVar

from app import config
from app.ab import proofs
from app.ab.proofs import Proofs
from app.accounted import Accounting
from app.codebooks import NOTHING, Codebooks, Held
from app.codecs.focusing import focused, is_marked, unmarked
from app.codecs.hyper import Hyper
from app.codecs.identity import Identity
from app.codecs.refusing import Wanted, choices, is_json, obstacle
from app.codecs.scenes import Scenes, Shortened
from app.codecs.turns import Again, said_again
from app.codecs.undoing import Undoing
from app.codecs.vocabularies import Unreadable, Vocabularies
from app.contracts import Call, Encoded, Layer, Route, Saving
from app.errors import BadRequest
from app.scene_metrics import SceneMetrics
from app.wire import Request
from scenes.meaning import Meaning
from scenes.remembering import Remembering

MOST_BYTES_ON_LOOP = 16 * 1024
"""A longer prompt is encoded in a thread, so that other calls go on meanwhile."""
MOST_MEASURED = 1
"""Prompts that are measured at once, fewer than threads; while so many are, no other one is."""

_ASKED = {"prefill": "an assistant's message at the end"}
_REMEDY = "leave it out, or ask for x-hyperbridge-scenes: safe."
_IDENTITY = Identity()
_MEASURED: tuple[Layer, ...] = ("safe", "codebook")
_PROVED: tuple[Layer, ...] = ("hyper", "focus", "scenes", "codebook", "safe")
"""What may be proved of a model, the furthest first; the first alone of one that has hypertokens."""
T = TypeVar("T")
_THREADS = 2
_log = logging.getLogger("hyperbridge")


class Threads:
    """Where long prompts are encoded, and samples are measured."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="scenes")
        self._free = BoundedSemaphore(MOST_MEASURED)

    async def run(self, encode: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, encode)

    def measure(self, measure: Callable[[], None]) -> None:
        """Do so once in a while; nobody waits for it."""
        if self._free.acquire(blocking=False):
            self._pool.submit(self._measure, measure)

    def _measure(self, measure: Callable[[], None]) -> None:
        try:
            measure()
        except Exception:  # noqa: BLE001 - a defect of ours: nobody waits here who could be told
            _log.exception("the measuring of scenes failed")
        finally:
            self._free.release()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A prompt that is to be said on a route, how far, and whether its conversation begins with that."""

    call: Call
    route: Route
    request: Request
    layer: Layer
    begins: bool = False

    @property
    def why(self) -> str:
        """Why it has no codes, whatever its layer has; "" where it may have some. What the client sent is asked about: a
        broken answer that goes on within its own words has phrases there, which codes behind them agree with.
        """
        wanted = Wanted(self.call.request.members, self.route.defaults)
        return "" if self.layer == "safe" else obstacle(self.call.operation, wanted)


class Encoding:
    """Encodes prompts as call, route and configuration say."""

    def __init__(  # noqa: PLR0913 - all that has a part in it
        self,
        scenes: Scenes,
        settings: config.Scenes,
        remembering: Remembering,
        threads: "Threads",
        metrics: SceneMetrics,
        *,
        vocabularies: Vocabularies,
        books: Codebooks | None = None,
        meaning: Meaning | None = None,
        hyper: Hyper = Hyper(),  # noqa: B008 - it never changes
    ) -> None:
        """Raises ConfigError where the file of proofs is none."""
        self._scenes = scenes
        self._vocabularies = vocabularies
        self._remembering = remembering
        self._proofs = Proofs() if settings.proofs is None else proofs.read(settings.proofs)
        self._layer = settings.layer
        self._sample = settings.sample
        self._strict = settings.strict
        self._focus_tokens = settings.focus_tokens
        self._threads = threads
        self._metrics = metrics
        self._books = books
        self._meaning = meaning
        self._hyper = hyper

    async def encode(self, call: Call, route: Route, request: Request) -> Encoded:
        if call.operation.dialect == "plain":
            return Encoded(request, _IDENTITY)
        if route.spells:
            request = await self._spelled(request, route)
        layer = self.layer_of(call, route)
        if layer in {"off", "shadow"}:
            if layer == "shadow" and self._sample and random.random() < self._sample:  # noqa: S311 - a sample
                self._threads.measure(lambda: self._measure(_Asked(call, route, request, layer)))
            plain = (await self._again(request, layer)).request
            return Encoded(plain, self._hyper.reading(_IDENTITY, call.operation, route, request))
        said = await self._tried(_Asked(call, route, request, layer, begins=True))
        wanted = Wanted(request.members, route.defaults)
        undoing = Undoing(said.phrases, is_json(wanted), choices=choices(wanted)) if said.phrases else None
        told = Accounting(said.saving, call.operation.dialect, undoing)
        decoder = self._hyper.reading(told, call.operation, route, request)
        return Encoded(said.request, decoder, said.saving)

    async def _spelled(self, request: Request, route: Route) -> Request:
        return await self._on_or_off_loop(request, lambda: self._hyper.spelled(request, route))

    async def tried(self, call: Call, route: Route, request: Request, layer: Layer) -> Shortened:
        """What would become of a prompt in a layer that changes some. Raises BadRequest where codes are refused."""
        return await self._tried(_Asked(call, route, request, layer))

    async def _tried(self, asked: _Asked) -> Shortened:
        request, layer, why = asked.request, asked.layer, asked.why
        if self._strict and why not in {"", "interface"}:
            raise BadRequest(f"Codes do not go together with {_ASKED.get(why, why)}: {_REMEDY}", param=why)
        if layer == "hyper":
            why = why or self._hyper.why(asked.route)
            again = await self._on_or_off_loop(request, lambda: self._hyper.told(request, asked.route, why))
        else:
            again = await self._again(request, "safe" if why == "interface" else layer)
        below = "safe" if why or layer == "hyper" else layer
        said = await self._said(replace(asked, request=again.request, layer=below))
        return replace(said, saving=replace(_together(said.saving, again, why), layer=layer))

    def layer_of(self, call: Call, route: Route) -> Layer:
        """The one that is wished for, or configured, or proved."""
        layer = call.wishes.scenes or route.scenes or self._layer
        if layer != "auto":
            return layer
        possible = _PROVED if route.hypertokens else _PROVED[1:]
        return next((each for each in possible if self._proofs.allow(route.model, each)), "shadow")

    async def _again(self, request: Request, layer: Layer) -> Again:
        """The request without what leaves it in this layer, with what bears on its questions; in a thread where it is long."""
        if layer not in {"scenes", "focus"} and not is_marked(request):
            return Again(request)
        return await self._on_or_off_loop(request, lambda: self._left(request, layer))

    async def _on_or_off_loop(self, request: Request, make: Callable[[], T]) -> T:
        """What is made of a request, in a thread where it is long."""
        is_short = len(request.members.body) <= MOST_BYTES_ON_LOOP
        return make() if is_short else await self._threads.run(make)

    def _left(self, request: Request, layer: Layer) -> Again:
        """Passages leave first: what a question recalls is no part of the question that they are chosen for."""
        focus = focused(request, self._focus_tokens, self._meaning) if layer == "focus" else Again(request)
        plain = unmarked(focus.request)
        again = said_again(plain, self._remembering) if layer in {"scenes", "focus"} else Again(plain)
        return Again(
            again.request,
            (*again.forms, *focus.forms),
            again.before + focus.before,
            again.after + focus.after,
            again.why,
        )

    async def _said(self, asked: _Asked) -> Shortened:
        """In a thread where it may take long: the prompt is, or the model's vocabulary is read first."""
        is_short = len(asked.request.members.body) <= MOST_BYTES_ON_LOOP
        if is_short and self._vocabularies.is_loaded(asked.route.model):
            return self._timed(asked)
        return await self._threads.run(lambda: self._timed(asked))

    def _timed(self, asked: _Asked) -> Shortened:
        began = perf_counter()
        dialect, model = asked.call.operation.dialect, asked.route.model
        try:
            held = self._held(asked)
            said = self._scenes.encode(asked.request, dialect, model, asked.layer, held.book)
        except Unreadable as fault:
            _log.error("a vocabulary cannot be used, so prompts of %s go out as they came: %s", model, fault)
            return Shortened(asked.request, Saving(asked.layer, why="tokenizer"), {})
        return replace(said, saving=replace(said.saving, seconds=perf_counter() - began, why=held.why))

    def _held(self, asked: _Asked) -> Held:
        """The conversation's codebook, where what is asked may have codes."""
        may_have_codes = asked.layer != "safe" and asked.call.operation.dialect == "chat"
        if self._books is None or not may_have_codes:
            return NOTHING
        return (self._books.of if asked.begins else self._books.seen)(asked.call, asked.route)

    def _measure(self, asked: _Asked) -> None:
        for layer in _MEASURED[:1] if asked.why else _MEASURED:
            self._metrics.measured(self._timed(replace(asked, layer=layer)).saving)


def _together(saving: Saving, again: Again, why: str) -> Saving:
    """With what was saved by what left the request."""
    return replace(
        saving,
        forms=Counter(again.forms) + Counter(saving.forms),
        before=saving.before + again.before,
        after=saving.after + again.after,
        why=why or again.why or saving.why,
    )
