"""The figures of the report: from samples to medians, ratios and goals met or missed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.samples import Results, Turn

OURS = "gateway"

Formula = Callable[[Turn], float | None]


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound: of our figure itself, or of its ratio to a peer's."""

    at_most: float
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. `of` reads it from a turn; None is not measured there."""

    title: str
    digits: int
    of: Formula
    goal: Goal | None = None

    def value(self, results: Results, target: str) -> float | None:
        """The median over the repetitions."""
        return _median(self.of(turn) for turn in results.turns(target))

    def ratio(self, results: Results, peer: str) -> float | None:
        """Ours by the peer's: the median of each repetition's ratio, for in one repetition both ran at one time."""
        pairs = zip(results.turns(OURS), results.turns(peer), strict=True)
        return _median(_quotient(self.of(ours), self.of(theirs)) for ours, theirs in pairs)

    def meets(self, results: Results) -> bool | None:
        """Whether the goal is met; None where there is none, or nothing to tell by."""
        if self.goal is None:
            return None
        peer = self.goal.beside
        reached = self.value(results, OURS) if peer is None else self.ratio(results, peer)
        return None if reached is None else reached <= self.goal.at_most


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _quotient(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None


def _cpu_ms_per_request(cell: str) -> Formula:
    def of(turn: Turn) -> float | None:
        sample = turn.samples.get(cell)
        return sample.cpu_ns / 1e6 / sample.requests if sample and sample.cpu_ns is not None else None

    return of


def _cpu_us_per_chunk(cell: str) -> Formula:
    def of(turn: Turn) -> float | None:
        sample = turn.samples.get(cell)
        return sample.cpu_ns / 1e3 / sample.chunks if sample and sample.cpu_ns is not None else None

    return of


def _added_p50_ms(turn: Turn) -> float | None:
    with_gateway, without = turn.samples.get("paced"), turn.floor.get("paced")
    return with_gateway.p50_ms - without.p50_ms if with_gateway and without else None


def _added_p99_ms(turn: Turn) -> float | None:
    with_gateway, without = turn.samples.get("paced"), turn.floor.get("paced")
    return with_gateway.p99_ms - without.p99_ms if with_gateway and without else None


def _requests_per_second(turn: Turn) -> float | None:
    sample = turn.samples.get("request")
    return sample.requests / sample.seconds if sample else None


def _idle_mb(turn: Turn) -> float | None:
    return turn.start.idle_bytes / 1e6 if turn.start else None


def _after_mb(turn: Turn) -> float | None:
    return turn.start.after_bytes / 1e6 if turn.start else None


def _start_seconds(turn: Turn) -> float | None:
    return turn.start.seconds if turn.start else None


FIGURES = (
    Figure("CPU per request, ms", 3, _cpu_ms_per_request("request"), Goal(1 / 20, "litellm")),
    Figure("CPU per request with a 64 KB prompt, ms", 3, _cpu_ms_per_request("prompt64k")),
    Figure("CPU per chunk of slow streams, us", 1, _cpu_us_per_chunk("slow"), Goal(1 / 15, "litellm")),
    Figure("CPU per chunk of fast streams, us", 1, _cpu_us_per_chunk("fast"), Goal(1 / 15, "litellm")),
    Figure("added latency at 50 requests/s, p50, ms", 2, _added_p50_ms),
    Figure("added latency at 50 requests/s, p99, ms", 2, _added_p99_ms),
    Figure("requests/s, 32 connections", 0, _requests_per_second),
    Figure("resident memory idle, MB", 0, _idle_mb, Goal(120)),
    Figure("resident memory after all cells, MB", 0, _after_mb, Goal(120)),
    Figure("start to first answer, s", 2, _start_seconds, Goal(2.0)),
)
