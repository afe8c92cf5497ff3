"""How long the memory takes: `python -m bench.memory [ADDRESS]` puts 20,000 scenes of about 100 words into a new database
(SQLite's, but where an address is given), and searches them.
"""

import asyncio
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np

from app.memory.memory import Source, Wanted
from app.memory.scene_table import SceneTable
from app.store.opening import opened
from scenes.scene import Scene, Span, hash_of

SCENES = 20_000
AT_ONCE = 1000
DIMENSIONS = 384
WORDS = 20_000
"""Different ones, as frequent as their place says (Zipf's law): the few most frequent are in nearly every scene."""

_random = random.Random(1)  # noqa: S311 - the same texts each time
_vectors = np.random.default_rng(1)
_words = [
    "".join(_random.choices("abcdefghijklmnopqrstuvwxyz", k=_random.randint(2, 10))) for _ in range(WORDS)
]
_frequent = [*accumulate(1 / (place + 2) for place in range(WORDS))]


def said(words: int) -> str:
    return " ".join(_random.choices(_words, cum_weights=_frequent, k=words))


def vector() -> bytes:
    made = _vectors.standard_normal(DIMENSIONS)
    return (made / np.linalg.norm(made)).astype("<f2").tobytes()


def scene(text: str) -> Scene:
    name = hash_of(text)
    return Scene(
        id=hash_of("a", text),
        tenant="a",
        session=f"s{_random.randint(0, 99)}",
        kind="dialogue",
        trust="user",
        gist=text[:100],
        source=(Span(name, 0, len(text)),),
        created="2027-01-15T08:00:00Z",
        parser="bench@1",
        encoder="bench@1",
        vector=vector(),
    )


async def timed(name: str, action: Callable[[], Awaitable[object]], times: int) -> None:
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = perf_counter(), process_time()
        await action()
        walls.append(perf_counter() - wall)
        cpus.append(process_time() - cpu)
    print(f"{name:<56}{1e3 * median(cpus):9.1f} ms CPU{1e3 * median(walls):9.1f} ms wall, median of {times}")


async def measure(address: str) -> None:
    async with opened(address) as store:
        memory = SceneTable(store.database)

        async def put(count: int = AT_ONCE) -> None:
            texts = [said(100) for _ in range(count)]
            await memory.put(
                [scene(text) for text in texts], [Source(hash_of(text), text, "user") for text in texts]
            )

        await timed(f"put {AT_ONCE} scenes (making them up included)", put, SCENES // AT_ONCE)
        await timed("put one scene", lambda: put(1), 20)

        def wanted(words: int, *, near: bool = False, session: str | None = None) -> Wanted:
            encoder, question = ("bench@1", vector()) if near else (None, None)
            return Wanted("a", said(words), session=session, vector=question, encoder=encoder)

        await timed("search by 5 words", lambda: memory.search(wanted(5)), 20)
        await timed("search by 40 words", lambda: memory.search(wanted(40)), 20)
        await timed("the first search by a vector", lambda: memory.search(wanted(0, near=True)), 1)
        await timed("search by a vector", lambda: memory.search(wanted(0, near=True)), 20)
        await timed("search by 5 words and a vector", lambda: memory.search(wanted(5, near=True)), 20)
        await timed("the same, in one session", lambda: memory.search(wanted(5, near=True, session="s7")), 20)

        async def put_and_search() -> Sequence[object]:
            await put(1)
            return await memory.search(wanted(5, near=True))

        await timed("put one scene, and search", put_and_search, 20)
        await timed(
            "forget one session of 200 scenes", lambda: memory.forget("a", f"s{_random.randint(0, 99)}"), 5
        )
        await timed(
            "search by 5 words and a vector, all read anew", lambda: memory.search(wanted(5, near=True)), 1
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(sys.argv[1] if sys.argv[1:] else f"sqlite:///{Path(folder) / 'memory.db'}"))
