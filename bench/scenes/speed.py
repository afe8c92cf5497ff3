"""What scenes take: CPU time of this process, the median of many rounds in which everything takes turns.

A text's time is that of 10 KB of it.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TypeVar

from prometheus_client import CollectorRegistry

from app import config
from app.contracts import Call, Caller, Layer, Route
from app.encoding import Encoding, Threads
from app.operations import CHAT
from app.scene_metrics import SceneMetrics
from bench.clocks import own_cpu_ns
from bench.scenes.gateway import MODELS, Gateway, request
from bench.scenes.printed import Cell, Goal, Part, Table
from bench.texts import Text, logs, machine, sessions
from scenes.codebook.adaptive import Adaptive
from scenes.decoding import Decoder, JsonDecoder, Stream
from scenes.forms import FOLDS
from scenes.remembering import Plan, Remembering
from scenes.rough import ROUGH
from scenes.shortener import Least, Shortener

BYTES = 10_240
FIRST_MS, CHUNK_US = 1.0, 3.0
CALLS, CHUNKS = 500, 500
CHUNK = 5
"""Characters of a piece of a stream: a token's."""
N = TypeVar("N")
_Step = tuple[str, str]
"""A text's name, and what is done to it."""
_STEPS = ("fold", "fold + codes", "rough count", "exact count", "as the gateway, first time")


@dataclass(frozen=True, slots=True)
class Work:
    """Something to time: `run` does it `times` times. `clock` gives nanoseconds."""

    run: Callable[[], object]
    times: float = 1.0
    clock: Callable[[], int] = own_cpu_ns


class Characters:
    """Counts in no time, so that what remains is what folding takes."""

    name = "characters"

    def count(self, text: str) -> int:
        return len(text)


def speed(gateway: Gateway, texts: Sequence[Text], rounds: int) -> Part:
    """`rounds`: how often each thing is timed."""
    family = gateway.families[0]
    encoding = {
        (text.name, step): work for text in texts for step, work in _encoding(gateway, family, text).items()
    }
    spent = _timed(encoding, rounds)
    small = {**_known(gateway, family), **_decoding(), **_passing(gateway, family)}
    each = {name: nanoseconds / 1000 for name, nanoseconds in _timed(small, rounds * 3).items()}
    tables = [
        _by_text(texts, spent, family),
        Table("CPU, us, median", ("", "us"), [[name, value] for name, value in each.items()]),
    ]
    return Part("speed", tables, [_first(texts, spent), *_chunks(each)])


def _timed(works: Mapping[N, Work], rounds: int) -> Mapping[N, float]:
    """Nanoseconds for each; one round before is not counted."""
    spent: dict[N, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            began = work.clock()
            work.run()
            if number:
                spent[name].append((work.clock() - began) / work.times)
    return {name: median(each) for name, each in spent.items()}


def _encoding(gateway: Gateway, family: str, text: Text) -> Mapping[str, Work]:
    """What a text's first encoding consists of."""
    content = text.content.strip("\n")
    counter = gateway.vocabularies.exact(family)
    asked = gateway.methods.of(MODELS[family], "codebook").shortener
    size = len(content.encode()) / BYTES
    steps: tuple[Callable[[], object], ...] = (
        partial(_shortener(codes=False).shorter, content, {}),
        partial(_shortener(codes=True).shorter, content, {}),
        partial(ROUGH[0].count, content),
        partial(counter.count, content),
        partial(asked.shorter, content, {}),
    )
    return {name: Work(run, size) for name, run in zip(_STEPS, steps, strict=True)}


def _shortener(*, codes: bool) -> Shortener:
    return Shortener(FOLDS, Characters(), (Characters(),), Least(), codes=codes)


def _known(gateway: Gateway, family: str) -> Mapping[str, Work]:
    """A prompt whose parts were all seen before; what a shadow measures meanwhile in another thread is not counted."""
    output = machine.head(logs.sshd(), BYTES)
    session = sessions.sre_session()
    found: dict[str, Work] = {}
    for name, messages, times in (
        ("known message of 10 KB", [{"role": "tool", "content": output}], 1),
        (f"known session of {len(session)} messages, per tool message", session, sessions.SRE_OUTPUTS),
    ):
        asked = request(messages, MODELS[family])
        encode = partial(gateway.codec.encode, asked, CHAT.dialect, MODELS[family], "codebook")
        found[name] = Work(_often(encode, 10), times * 10, time.thread_time_ns)
    return found


def _decoding() -> Mapping[str, Work]:
    """Streams of five characters a piece, with the codes that a log brings along: as text, as JSON, and without any."""
    codes = Adaptive()
    folded = codes.fold(logs.spring()) or ""
    book = codes.phrases(folded)
    coded = folded.split("\n", 1 + len(book))[-1]
    streams: Mapping[str, tuple[Callable[[Mapping[str, str]], Stream], str]] = {
        "stream without codes, per chunk": (Decoder, logs.spring()),
        "stream with codes, per chunk": (Decoder, coded),
        "arguments with codes, per chunk": (JsonDecoder, json.dumps({"text": coded}, ensure_ascii=False)),
    }
    return {name: _stream(make, text, book) for name, (make, text) in streams.items()}


def _stream(make: Callable[[Mapping[str, str]], Stream], text: str, book: Mapping[str, str]) -> Work:
    chunks = [text[place : place + CHUNK] for place in range(0, len(text), CHUNK)][:CHUNKS]

    def run() -> None:
        feed = make(book).feed
        for chunk in chunks:
            feed(chunk)

    return Work(run, len(chunks))


def _passing(gateway: Gateway, family: str) -> Mapping[str, Work]:
    """Calls that go on as they came; what is measured of one in 50 is measured in another thread, which is not counted."""
    asked = request([{"role": "tool", "content": machine.head(logs.sshd(), BYTES)}], MODELS[family])
    call = Call("bench", CHAT, asked, Caller("bench"), (), 0.0)
    route = Route("upstream", MODELS[family], "alias", "bench")
    wanted: Mapping[str, Layer] = {"call, off": "off", "call, shadow": "shadow"}
    works = {"call that does nothing": Work(_often(lambda: _driven(_nothing()), CALLS), CALLS)}
    for name, layer in wanted.items():
        encoding = Encoding(
            gateway.codec,
            config.Scenes(layer=layer),
            Remembering(Plan()),
            Threads(),
            SceneMetrics(CollectorRegistry()),
            vocabularies=gateway.vocabularies,
        )
        works[name] = Work(_often(partial(_drive, encoding, call, route), CALLS), CALLS, time.thread_time_ns)
    return works


def _drive(encoding: Encoding, call: Call, route: Route) -> None:
    _driven(encoding.encode(call, route, call.request))


async def _nothing() -> None: ...


def _driven(awaited: Awaitable[object]) -> None:
    """To its end without an event loop: what passes never waits."""
    steps = awaited.__await__()
    for _ in steps:
        raise AssertionError("a call that passes has waited")


def _often(run: Callable[[], object], times: int) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(times):
            run()

    return repeated


def _by_text(texts: Sequence[Text], spent: Mapping[_Step, float], family: str) -> Table:
    rows: list[list[Cell]] = [
        [text.name, text.kind, *(spent[text.name, step] / 1e6 for step in _STEPS)] for text in texts
    ]
    medians: list[Cell] = [median(spent[text.name, step] for text in texts) / 1e6 for step in _STEPS]
    title = f"CPU of a first encoding, ms for 10 KB, median, counted as {family}"
    return Table(title, ("text", "kind", *_STEPS), [*rows, ["median", "", *medians]], digits=2)


def _first(texts: Sequence[Text], spent: Mapping[_Step, float]) -> Goal:
    figures = {text.name: spent[text.name, "fold + codes"] / 1e6 for text in texts}
    over = sorted(name for name, figure in figures.items() if figure > FIRST_MS)
    highest = max(figures, key=lambda name: figures[name])
    about = f"median, texts: {len(texts)}, over it: {len(over)}; highest {figures[highest]:.2f}: {highest}"
    return Goal("fold + codes, 10 KB", median(figures.values()), FIRST_MS, "ms", is_most=True, about=about)


def _chunks(each: Mapping[str, float]) -> Sequence[Goal]:
    return [
        Goal(name, value, CHUNK_US, "us", is_most=True)
        for name, value in each.items()
        if name.endswith("per chunk")
    ]
