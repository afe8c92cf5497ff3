"""What others do, as their code does it, for the same values.

smg (lightseekorg/smg @73da68ca, `cache_aware`), llm-d-router (@ebab6879, default weights and its LoRA scorer), and a session's hash.
Each sees the state of a server at the moment of the choice: in truth it is up to a second old.
"""

from collections.abc import Sequence
from hashlib import blake2b

from app.fleet.choice import Choice
from app.fleet.prefixes import Prefixes
from app.fleet.replica import Asked, Replica
from bench.fleet.engine import Engine


class SessionHash:
    """A conversation stays with one server."""

    def __init__(self) -> None:
        self.session = 0

    def choose(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Choice:
        digest = blake2b(f"{self.session}".encode(), digest_size=8).digest()
        return Choice(candidates[int.from_bytes(digest, "big") % len(candidates)])


class CacheAware:
    """smg: where load is even, the server that has most of the prompt if that is more than half of it, else the one with the least
    load; where it is not, the least loaded.
    """

    def __init__(self, threshold: float = 0.5, gap: int = 32, ratio: float = 1.1) -> None:
        self._threshold = threshold
        self._gap = gap
        self._ratio = ratio
        self._tree = Prefixes()

    def choose(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Choice:
        loads = [each.in_flight for each in candidates]
        least = min(candidates, key=lambda each: each.in_flight)
        chosen = least
        if not (max(loads) - min(loads) > self._gap and max(loads) > self._ratio * min(loads)):
            cached = self._tree.cached(asked.blocks)
            best = max(candidates, key=lambda each: cached.get(each.place, 0))
            if cached.get(best.place, 0) > self._threshold * asked.blocks.tokens:
                chosen = best
        self._tree.note(chosen.place, asked.blocks)
        return Choice(chosen)


class LlmD:
    """llm-d: a weighted sum of queue, KV, prefix and LoRA scores, each from 0 to 1; the highest wins."""

    def __init__(self, engines: Sequence[Engine], max_loras: int) -> None:
        self._engines = engines
        self._max_loras = max_loras
        self._index = Prefixes()

    def choose(self, asked: Asked, candidates: Sequence[Replica], now: float) -> Choice:
        queues = [len(self._engines[each.place].waiting) for each in candidates]
        low, high = min(queues), max(queues)
        cached = self._index.cached(asked.blocks)

        def score(each: Replica) -> float:
            engine = self._engines[each.place]
            queue = 1.0 if high == low else (high - len(engine.waiting)) / (high - low)
            prefix = cached.get(each.place, 0) / asked.blocks.tokens
            return 2 * queue + 2 * (1 - engine.kv_usage) + 3 * prefix + self._lora(engine, asked.adapter)

        chosen = max(candidates, key=score)
        self._index.note(chosen.place, asked.blocks)
        return Choice(chosen)

    def _lora(self, engine: Engine, adapter: str) -> float:
        """Of activity, as its scorer reads it: active 1.0, room 0.8, waiting 0.6, full 0."""
        waiting = {call.adapter for call in engine.waiting}
        if adapter in engine.running:
            return 1.0
        if len(engine.running) + len(waiting) < self._max_loras:
            return 0.8
        return 0.6 if adapter in waiting else 0.0
