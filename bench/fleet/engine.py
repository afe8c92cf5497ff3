"""One vLLM server, step by step: chunked prefill, continuous batching, a prefix cache, slots for adapters, and loads that stop it all.

What it does in a step is what vLLM 0.33 does (v1/core/sched/scheduler.py, lora/worker_manager.py): a waiting call whose adapter finds
no slot is passed over; the adapter of a call that is let in is loaded within that step.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from app.fleet.prefixes import Prefixes
from app.fleet.residency import Level, Residency
from bench.fleet.workload import Call


@dataclass(frozen=True, slots=True)
class Machine:
    """Times in seconds. `step` is what each step takes in any case, `decode` what each answer in it adds; `disk` and `memory` are how
    long an adapter takes from there.
    """

    step: float = 0.010
    prefill_tokens_per_second: float = 12_000.0
    decode: float = 0.00015
    disk: float = 0.4
    memory: float = 0.02
    max_loras: int = 8
    max_cpu_loras: int = 32
    max_num_seqs: int = 64
    batched_tokens: int = 2048
    kv_tokens: int = 200_000


@dataclass(slots=True, eq=False)
class _Running:
    call: Call
    left: int
    """Tokens of its prompt that are still to be read."""


@dataclass(slots=True)
class Outcome:
    """What a step brought: whose first token, and who is done."""

    first: list[Call] = field(default_factory=list)
    done: list[Call] = field(default_factory=list)


class Engine:
    """`running` counts calls by adapter."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._cache = Prefixes()
        self._cache.bound(0, machine.kv_tokens)
        self._reading: deque[_Running] = deque()
        self._answering: list[tuple[int, int, Call]] = []
        self._order = count()
        self._steps = 0
        self._tokens = 0
        self.residency = Residency(machine.max_loras, machine.max_cpu_loras)
        self.waiting: deque[Call] = deque()
        self.running: Counter[str] = Counter()
        self.loads: Counter[Level] = Counter()
        self.cached_tokens = 0
        self.busy = False
        self._stalled = 0.0

    @property
    def in_batch(self) -> int:
        return len(self._reading) + len(self._answering)

    @property
    def kv_usage(self) -> float:
        return self._tokens / self._machine.kv_tokens

    def begin(self) -> tuple[float, Outcome] | None:
        """Begin a step: how long it takes, and what it will have brought; None where there is nothing to do."""
        stalled = self._let_in()
        if not self.in_batch:
            return None
        machine, outcome = self._machine, Outcome()
        answering = len(self._answering)
        budget = read = machine.batched_tokens - answering
        while self._reading and budget > 0:
            first = self._reading[0]
            taken = min(first.left, budget)
            first.left -= taken
            budget -= taken
            if first.left:
                break
            self._reading.popleft()
            self._cache.note(0, first.call.blocks)
            outcome.first.append(first.call)
        read -= budget
        self._steps += 1
        self._tokens += answering
        while self._answering and self._answering[0][0] <= self._steps:
            outcome.done.append(heappop(self._answering)[2])
        for call in outcome.first:
            heappush(self._answering, (self._steps + call.answer_tokens - 1, next(self._order), call))
            self._tokens += 1
        for call in outcome.done:
            self._leave(call)
        seconds = machine.step + read / machine.prefill_tokens_per_second + answering * machine.decode
        return stalled + seconds, outcome

    def _let_in(self) -> float:
        """Take waiting calls into the batch; the seconds that loading their adapters takes."""
        machine, stalled = self._machine, self._stalled
        self._stalled = 0.0
        passed: list[Call] = []
        while self.waiting and self.in_batch < machine.max_num_seqs:
            call = self.waiting.popleft()
            if call.adapter not in self.running and len(self.running) >= machine.max_loras:
                passed.append(call)
                continue
            if self._tokens + call.blocks.tokens + call.answer_tokens > machine.kv_tokens:
                passed.append(call)
                break
            cached = self._cache.cached(call.blocks).get(0, 0)
            self.cached_tokens += cached
            level = self.residency.use(call.adapter)
            self.loads[level] += 1
            stalled += {"gpu": 0.0, "cpu": machine.memory, "disk": machine.disk}[level]
            self.running[call.adapter] += 1
            self._tokens += call.blocks.tokens
            self._reading.append(_Running(call, max(1, call.blocks.tokens - cached)))
        self.waiting.extendleft(reversed(passed))
        return stalled

    def preload(self, adapter: str) -> None:
        """It is given an adapter: its next step waits until that is loaded."""
        level = self.residency.use(adapter)
        self.loads[level] += 1
        self._stalled += {"gpu": 0.0, "cpu": self._machine.memory, "disk": self._machine.disk}[level]

    def _leave(self, call: Call) -> None:
        self._tokens -= call.blocks.tokens + call.answer_tokens
        self.running[call.adapter] -= 1
        if not self.running[call.adapter]:
            del self.running[call.adapter]
