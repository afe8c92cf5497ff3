"""The memory as the holders of keys use it: each has its own."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from app.contracts import Call, Caller
from app.errors import ForbiddenMemory, NoStore, SceneMissing
from app.forming import Former
from app.memory.memory import Hit, Memory
from app.memory.wanted import WantedScenes, WantedSearch
from app.scene_vectors import Vectors
from app.store.faults import StoreUnavailable
from scenes.former import text_of
from scenes.fusion import within
from scenes.recollected import Passage
from scenes.scene import Scene, Trust, hash_of

AT_ONCE = 2
"""Of its questions, the database's connections being needed for other things as well; the others wait."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of something that was to be remembered: the scenes' ids in order, how many were new, and how many were
    made by which parser.
    """

    ids: Sequence[str]
    new: int
    parsers: Mapping[str, int]
    vectors: int = 0
    """How many have one."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of what a scene was made of: the characters from `start` to before `end` of the text with this hash."""

    source: str
    start: int
    end: int
    text: str


class Archive:
    """Asks the memory for what is the caller's; `memory` is None where there is no database.

    Every method raises NoStore, and ForbiddenMemory for a short-lived key, which others may hold than its parent's.
    """

    def __init__(self, memory: Memory | None) -> None:
        self._memory = memory
        self._free = asyncio.Semaphore(AT_ONCE)

    @property
    def exists(self) -> bool:
        """Whether there is a database for it."""
        return self._memory is not None

    async def keep(
        self, call: Call, wanted: WantedScenes, former: Former, vectors: Vectors | None = None
    ) -> Kept:
        """Remember for who calls. Raises BadRequest, TooLarge and MemoryFull, and what the former does."""
        caller = call.caller
        async with self._asked(caller) as memory:
            await memory.answers()  # before a model is asked, which costs
        scenes = await former.formed(wanted, wanted.whose(caller, datetime.now(UTC)))
        if vectors is not None and scenes:
            scenes = await _with_vectors(scenes, wanted, vectors, call)
        async with self._asked(caller) as memory:
            new = await memory.put(scenes, wanted.sources(scenes), numbered=True)
        return Kept(
            [scene.id for scene in scenes],
            new,
            Counter(scene.parser for scene in scenes),
            sum(scene.vector is not None for scene in scenes),
        )

    async def search(self, call: Call, wanted: WantedSearch, vectors: Vectors | None = None) -> Sequence[Hit]:
        """Of who calls, the best first."""
        asked = wanted.by(call.caller)
        made = None if vectors is None else await vectors.of([wanted.query], call)
        if made is not None and made.vectors[0] is not None:
            asked = replace(asked, vector=made.vectors[0], encoder=made.encoder)
        async with self._asked(call.caller) as memory:
            hits = await memory.search(asked)
        if wanted.budget_tokens is None:
            return hits
        tokens = [hit.scene.tokens_raw for hit in hits]
        return [hits[place] for place in within(wanted.budget_tokens, range(len(hits)), tokens)]

    async def told(
        self, call: Call, wanted: WantedSearch, vectors: Vectors | None
    ) -> Sequence[Sequence[Passage]]:
        """What is found: of each scene what was said, part by part, each with who said it."""
        scenes = [hit.scene for hit in await self.search(call, wanted, vectors)]
        found: list[Sequence[Passage]] = []
        async with self._asked(call.caller) as memory:
            trusts = await memory.trusts(
                call.caller.id, sorted({span.source for scene in scenes for span in scene.source})
            )
            for scene in scenes:
                with suppress(SceneMissing):  # it was forgotten meanwhile
                    found.append(_passages(scene, await _excerpts(memory, call.caller, scene), trusts))
        return [passages for passages in found if passages]

    async def scene(self, caller: Caller, id: str) -> Scene:  # noqa: A002 - its public name
        """Raises SceneMissing."""
        async with self._asked(caller) as memory:
            return _there(await memory.scene(caller.id, id))

    async def original(self, caller: Caller, id: str) -> Sequence[Excerpt]:  # noqa: A002
        """What a scene was made of, word for word. Raises SceneMissing."""
        async with self._asked(caller) as memory:
            return await _excerpts(memory, caller, _there(await memory.scene(caller.id, id)))

    async def page(self, caller: Caller, session: str, after: int = 0) -> tuple[Sequence[Scene], int]:
        """Some of a session's scenes behind a place, and the next place; 0 before the first, and after the last."""
        async with self._asked(caller) as memory:
            return await memory.page(caller.id, session, after)

    async def forget(self, caller: Caller, id: str) -> None:  # noqa: A002
        """Raises SceneMissing."""
        async with self._asked(caller) as memory:
            if not await memory.forget(caller.id, id=id):
                raise _missing()

    async def forget_session(self, caller: Caller, session: str) -> int:
        """Gives how many scenes it had."""
        async with self._asked(caller) as memory:
            return await memory.forget(caller.id, session=session)

    @asynccontextmanager
    async def _asked(self, caller: Caller) -> AsyncGenerator[Memory]:
        if caller.grant:
            raise ForbiddenMemory("A short-lived key has no memory: ask with the key that it was made from.")
        if self._memory is None:
            raise NoStore("This gateway remembers nothing: store.url names no database.")
        try:
            async with self._free:
                yield self._memory
        except StoreUnavailable as unavailable:
            raise NoStore(
                "The database of the memory does not answer: ask again.", detail=str(unavailable)
            ) from None


async def _excerpts(memory: Memory, caller: Caller, scene: Scene) -> Sequence[Excerpt]:
    """Raises SceneMissing where one of its texts was forgotten."""
    texts = {name: await memory.original(caller.id, name, *place) for name, place in _ranges(scene).items()}
    return _said(scene, texts)


async def _with_vectors(
    scenes: Sequence[Scene], wanted: WantedScenes, vectors: Vectors, call: Call
) -> Sequence[Scene]:
    """The scenes with the vectors of what they were made from; as they are where there are none now."""
    texts = {hash_of(turn.text): turn.text for turn in wanted.said}
    made = await vectors.of([text_of(scene, texts) for scene in scenes], call)
    if made is None:
        return scenes
    return [
        scene if vector is None else msgspec.structs.replace(scene, vector=vector, encoder=made.encoder)
        for scene, vector in zip(scenes, made.vectors, strict=True)
    ]


def _passages(scene: Scene, parts: Sequence[Excerpt], trusts: Mapping[str, Trust]) -> Sequence[Passage]:
    """What was said, in order: what follows within one text is one passage. Who is known by name is the scene's `agent`."""
    passages: list[Passage] = []
    for number, part in enumerate(parts):
        trust = trusts.get(part.source, "tool")
        if number and parts[number - 1].source == part.source:
            before = passages.pop()
            passages.append(replace(before, text=f"{before.text}\n{part.text}"))
        else:
            agent = scene.agent if trust == scene.trust and scene.agent else trust
            passages.append(Passage(part.text, agent, trust))
    return passages


def _there(scene: Scene | None) -> Scene:
    if scene is None:
        raise _missing()
    return scene


def _missing() -> SceneMissing:
    return SceneMissing(
        "There is no such scene: a key finds its own, by the ids that it was told.", param="id"
    )


def _ranges(scene: Scene) -> Mapping[str, tuple[int, int]]:
    """From where to where each of its texts is needed."""
    found: dict[str, tuple[int, int]] = {}
    for span in scene.source:
        start, end = found.get(span.source, (span.start, span.end))
        found[span.source] = (min(start, span.start), max(end, span.end))
    return found


def _said(scene: Scene, texts: Mapping[str, str | None]) -> Sequence[Excerpt]:
    """Raises SceneMissing where it was forgotten meanwhile."""
    ranges = _ranges(scene)
    told = []
    for span in scene.source:
        text = texts[span.source]
        if text is None:
            raise _missing()
        offset = ranges[span.source][0]
        told.append(Excerpt(span.source, span.start, span.end, text[span.start - offset : span.end - offset]))
    return told
