"""Calls as a fleet with many adapters gets them: some adapters are wanted most, conversations go on, and everybody comes at once."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from app.fleet.prefixes import Blocks

BLOCK_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Habits:
    """`zipf` is the exponent of the adapters' ranks; lengths in tokens, pauses in seconds, all by their mean or median.

    In a burst, which begins every so many seconds on average, so many times as many conversations begin, and half of them want one
    adapter.
    """

    adapters: int = 100
    zipf: float = 1.0
    system_tokens: float = 600.0
    text_tokens: float = 120.0
    answer_tokens: float = 150.0
    turns: float = 5.0
    pause_seconds: float = 20.0
    burst_every: float = 90.0
    burst_seconds: float = 15.0
    burst_times: float = 2.0


@dataclass(slots=True, eq=False)
class Call:
    """One call: when it comes, what it wants, how long its answer is; and what became of it."""

    at: float
    adapter: str
    session: int
    blocks: Blocks
    answer_tokens: int
    sent: float = math.nan
    first: float = math.nan
    end: float = math.nan


@dataclass(slots=True)
class _Session:
    number: int
    adapter: int
    left: int
    hashes: list[int] = field(default_factory=list)
    tokens: int = 0


def calls(habits: Habits, rate: float, seconds: float, seed: int) -> list[Call]:
    """All calls of so many seconds, `rate` of them a second on average, in the order of their coming."""
    chance = random.Random(seed)  # noqa: S311 - chance, not a secret
    weights = [1 / (rank + 1) ** habits.zipf for rank in range(habits.adapters)]
    systems = [max(64, int(chance.lognormvariate(math.log(habits.system_tokens), 0.6))) for _ in weights]
    made: list[Call] = []
    turns: list[tuple[float, int, _Session]] = []
    for number, (at, hot) in enumerate(_beginnings(habits, rate / habits.turns, seconds, chance)):
        adapter = (
            hot
            if hot is not None and chance.random() < 0.5
            else chance.choices(range(len(weights)), weights)[0]
        )
        left = 1 + min(30, int(chance.expovariate(1 / (habits.turns - 1))))
        session = _Session(number, adapter, left)
        session.tokens = systems[adapter]
        session.hashes = [hash((adapter, block)) for block in range(session.tokens // BLOCK_TOKENS)]
        heappush(turns, (at, number, session))
    while turns:
        at, number, session = heappop(turns)
        if at > seconds:
            break
        call = _turn(session, at, habits, chance)
        made.append(call)
        session.left -= 1
        if session.left:
            heappush(turns, (at + 2 + chance.expovariate(1 / habits.pause_seconds), number, session))
    return made


def _turn(session: _Session, at: float, habits: Habits, chance: random.Random) -> Call:
    """The next call of a conversation: all before it, and a new text."""
    session.tokens += max(8, int(chance.lognormvariate(math.log(habits.text_tokens), 0.8)))
    answer = min(1000, max(4, int(chance.lognormvariate(math.log(habits.answer_tokens), 0.7))))
    while len(session.hashes) < session.tokens // BLOCK_TOKENS:
        session.hashes.append(hash((-1, session.number, len(session.hashes))))
    blocks = Blocks(tuple(session.hashes), (BLOCK_TOKENS,) * len(session.hashes), session.tokens)
    session.tokens += answer
    return Call(at, f"adapter-{session.adapter}", session.number, blocks, answer)


def _beginnings(
    habits: Habits, rate: float, seconds: float, chance: random.Random
) -> Iterator[tuple[float, int | None]]:
    """When conversations begin, and which adapter is wanted most at that moment. The mean rate is as asked, bursts included."""
    share = habits.burst_seconds / habits.burst_every
    calm = rate / (1 + share * (habits.burst_times - 1))
    begin = chance.expovariate(1 / habits.burst_every)
    hot, at = chance.randrange(habits.adapters), 0.0
    while at < seconds:
        while at > begin + habits.burst_seconds:
            begin += habits.burst_seconds + chance.expovariate(
                1 / (habits.burst_every - habits.burst_seconds)
            )
            hot = chance.randrange(habits.adapters)
        bursts = begin <= at
        at += chance.expovariate(calm * (habits.burst_times if bursts else 1.0))
        yield at, hot if bursts else None
