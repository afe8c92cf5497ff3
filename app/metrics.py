"""Every Prometheus instrument, and the reader that feeds them from a record.

Labels come from closed sets: configured model names, upstream names, operations, outcomes. Label sets are
bound once and kept, so a request pays for the numbers alone. With several workers prometheus-client keeps the
numbers in files that all of them share; it decides so at import, so the command line sets
`PROMETHEUS_MULTIPROC_DIR` before a worker starts.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.adapter_metrics import AdapterMetrics, Fleets
from app.allowance import NANO_USD
from app.choice_metrics import ChoiceMetrics
from app.circuit_metrics import CircuitMetrics, Circuits
from app.configuration_metrics import ConfigurationMetrics
from app.errors import ClientLeft
from app.journal import GAP_BOUNDS, Record
from app.model_metrics import ModelMetrics
from app.queue_metrics import GapHistogram, QueueMetrics, Queues
from app.recall_metrics import RecallMetrics
from app.scene_metrics import SceneMetrics
from app.split_metrics import SplitMetrics
from app.usage import Usage
from app.version import VERSION

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
CANCEL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
TOKENS_PER_SECOND = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 250.0, 500.0, 1000.0)

SHARED_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that prometheus-client reads."""

NO_MODEL = "unknown"
"""The label of requests whose model is not configured, or was never read."""


FLEETS_EVERY = 4
"""Of how many looks at this process one is at its fleets, which takes some milliseconds where they are large."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is measured of this process once in a while."""

    in_flight: Callable[[], int]
    connections: Callable[[], Iterable[tuple[str, int]]]
    lost_lines: Callable[[], int]
    circuits: Callable[[], Circuits]
    redis_gone: Callable[[], bool]
    queues: Callable[[], Queues]
    rolled_back: Callable[[], Mapping[str, bool]]
    fleets: Callable[[], Fleets]


@dataclass(frozen=True, slots=True)
class _Bound:
    """The instruments of one combination of labels."""

    requests: Counter
    seconds: Histogram
    overhead: Histogram
    first_content: Histogram
    gaps: GapHistogram
    tokens_per_second: Histogram
    tokens: Mapping[str, Counter]
    cost: Counter


def _tell_build(registry: CollectorRegistry) -> None:
    build = Gauge(
        "hyperbridge_build_info", "1, labelled with the version that runs.",
        ("version",), registry=registry, multiprocess_mode="livemax",
    )  # fmt: skip
    build.labels(VERSION).set(1)


class Metrics:
    """The gateway's instruments in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series per series, which no query of ours asks
        registry = CollectorRegistry()
        self.registry = registry
        self._requests = Counter(
            "hyperbridge_requests",
            "Requests by outcome.",
            ("operation", "model", "upstream", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "hyperbridge_request_seconds", "From the request's arrival to the answer's last byte.",
            ("operation", "model"), buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._overhead = Histogram(
            "hyperbridge_overhead_seconds",
            "The gateway's own time: request here to upstream asked, plus first content here to handed on.",
            ("operation",), buckets=OVERHEAD_SECONDS, registry=registry,
        )  # fmt: skip
        self._first_content = Histogram(
            "hyperbridge_first_content_seconds", "Time to first token (TTFT) of streams: arrival to first content.",
            ("model", "upstream"), buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._gaps = GapHistogram(
            "hyperbridge_chunk_gap_seconds", "Time between two chunks of a stream.",
            ("model", "upstream"), buckets=GAP_BOUNDS, registry=registry,
        )  # fmt: skip
        self._tokens_per_second = Histogram(
            "hyperbridge_output_tokens_per_second", "Output tokens of a stream per second of decoding.",
            ("model", "upstream"), buckets=TOKENS_PER_SECOND, registry=registry,
        )  # fmt: skip
        self._tokens = Counter(
            "hyperbridge_tokens", "Tokens; cached are part of input, reasoning part of output.",
            ("model", "upstream", "kind"), registry=registry,
        )  # fmt: skip
        self._cost = Counter(
            "hyperbridge_cost_usd", "What answers cost, in US dollars by the models' prices.",
            ("model", "upstream"), registry=registry,
        )  # fmt: skip
        self._estimated = Counter(
            "hyperbridge_estimated_tokens", "Output tokens that were counted by chunks, for want of a report.",
            ("upstream",), registry=registry,
        )  # fmt: skip
        self._attempts = Counter(
            "hyperbridge_attempts", "Attempts at an upstream beside the first good one: what for, and how they ended.",
            ("upstream", "kind", "outcome"), registry=registry,
        )  # fmt: skip
        self._rescues = Counter(
            "hyperbridge_rescues", "Streams that broke and were gone on with, by whether the client got a whole answer.",
            ("model", "outcome"), registry=registry,
        )  # fmt: skip
        self._cancel = Histogram(
            "hyperbridge_cancel_seconds", "From the end of a client's connection to the end of its call at the upstream.",
            buckets=CANCEL_SECONDS, registry=registry,
        )  # fmt: skip
        self._in_flight = Gauge(
            "hyperbridge_requests_in_flight", "Requests that are being answered.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._connections = Gauge(
            "hyperbridge_upstream_connections", "Open connections to an upstream, in use or idle.",
            ("upstream",), registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._memory = Gauge(
            "hyperbridge_process_resident_memory_bytes", "Resident memory of each worker.",
            registry=registry, multiprocess_mode="liveall",
        )  # fmt: skip
        self._loop_lag = Histogram(
            "hyperbridge_event_loop_lag_seconds", "How late the event loop woke a timer: time that requests waited.",
            registry=registry, buckets=OVERHEAD_SECONDS,
        )  # fmt: skip
        self._limit_refusals = Counter(
            "hyperbridge_limit_refusals", "Requests that a limit refused, by what is counted and for whom.",
            ("per", "measure"), registry=registry,
        )  # fmt: skip
        self._alone = Gauge(
            "hyperbridge_limits_alone", "1 while Redis is gone and this worker counts by itself; 0 otherwise.",
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._redis = Histogram(
            "hyperbridge_redis_seconds", "How long Redis took to answer the limiter.",
            registry=registry, buckets=OVERHEAD_SECONDS,
        )  # fmt: skip
        self._lost_lines = Gauge(
            "hyperbridge_log_lines_lost", "Lines of the log that were lost since the start, as on a full disk.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._unwritten = Gauge(
            "hyperbridge_ledger_unwritten_requests", "Calls whose usage the database has not taken; 0 while it does.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        _tell_build(registry)
        self.configuration = ConfigurationMetrics(registry)
        self.models, self.splits = ModelMetrics(registry), SplitMetrics(registry)
        self.scenes, self.recalls = SceneMetrics(registry), RecallMetrics(registry)
        self._choices, self._adapters, self._circuits, self._queues = (
            ChoiceMetrics(registry),
            AdapterMetrics(registry, SECONDS),
            CircuitMetrics(registry),
            QueueMetrics(registry),
        )
        self._bound: dict[tuple[str, str, str, str], _Bound] = {}

    def read(self, record: Record) -> None:
        """Count a closed record."""
        for instruments in (self._choices, self._adapters, self.recalls):
            instruments.read(record)
        if record.saving is not None:
            self.scenes.sent(record.saving)
        if record.decision is not None and record.decision.target:
            name = record.attempts[0].route.alias if record.attempts else record.model
            self.splits.count(name, record.decision.target)
        upstream = record.route.upstream if record.route is not None else NO_MODEL
        bound = self._of(record, upstream)
        bound.requests.inc()
        bound.seconds.observe(record.ended - record.arrived)
        overhead = record.overhead_seconds
        if overhead is not None:
            bound.overhead.observe(overhead)
        if len(record.attempts) > 1:
            for attempt in record.attempts:
                tried = self._of(record, attempt.route.upstream)
                self._count_tokens(attempt.usage, attempt.route.upstream, tried)
                if attempt.nano_usd:
                    tried.cost.inc(attempt.nano_usd / NANO_USD)
        else:
            self._count_tokens(record.usage, upstream, bound)
            if record.nano_usd:
                bound.cost.inc(record.nano_usd / NANO_USD)
        if record.streams and record.first_content:
            self._read_stream(record, bound)
        self._read_attempts(record)

    def read_aside(self, record: Record) -> None:
        """Count what a shadow or the router's encoder used, under its own name: it is no request of a client's."""
        usage, upstream = record.usage, record.attempts[0].route.upstream
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cached", usage.cached_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            if tokens:
                self._tokens.labels(record.model, upstream, kind).inc(tokens)
        if record.nano_usd:
            self._cost.labels(record.model, upstream).inc(record.nano_usd / NANO_USD)

    def _of(self, record: Record, upstream: str) -> _Bound:
        key = (record.operation.name, record.model or NO_MODEL, upstream, record.outcome)
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bound[key] = self._bind(*key)
        return bound

    def _count_tokens(self, usage: Usage, upstream: str, bound: _Bound) -> None:
        if usage.input_tokens:
            bound.tokens["input"].inc(usage.input_tokens)
        if usage.output_tokens:
            bound.tokens["output"].inc(usage.output_tokens)
        if usage.cached_tokens:
            bound.tokens["cached"].inc(usage.cached_tokens)
        if usage.reasoning_tokens:
            bound.tokens["reasoning"].inc(usage.reasoning_tokens)
        if usage.estimated:
            self._estimated.labels(upstream).inc(usage.output_tokens)

    def _read_attempts(self, record: Record) -> None:
        """What is counted of those that were not well at once."""
        failure = record.failure
        if failure is None and len(record.attempts) == 1:
            return
        if isinstance(failure, ClientLeft) and any(each.outcome == "cancelled" for each in record.attempts):
            self._cancel.observe(failure.let_go_seconds)
        for attempt in record.attempts:
            if attempt.kind != "first" or attempt.outcome != "ok":
                self._attempts.labels(attempt.route.upstream, attempt.kind, attempt.outcome).inc()
        if record.rescues:
            whole = "whole" if record.failure is None else record.outcome
            self._rescues.labels(record.model or NO_MODEL, whole).inc(record.rescues)

    def _read_stream(self, record: Record, bound: _Bound) -> None:
        bound.first_content.observe(record.first_content - record.arrived)
        if record.gap_counts is not None:
            bound.gaps.merge(record.gap_counts, record.gap_seconds)
        decoding = record.last_chunk - record.first_content
        if record.usage.output_tokens > 1 and decoding > 0:
            bound.tokens_per_second.observe((record.usage.output_tokens - 1) / decoding)

    def _bind(self, operation: str, model: str, upstream: str, outcome: str) -> _Bound:
        return _Bound(
            self._requests.labels(operation, model, upstream, outcome),
            self._seconds.labels(operation, model),
            self._overhead.labels(operation),
            self._first_content.labels(model, upstream),
            self._gaps.labels(model, upstream),
            self._tokens_per_second.labels(model, upstream),
            {
                kind: self._tokens.labels(model, upstream, kind)
                for kind in ("input", "output", "cached", "reasoning")
            },
            self._cost.labels(model, upstream),
        )

    async def watch(self, watched: Watched) -> None:
        """Measure this process once in a while, until cancelled."""
        loop = asyncio.get_running_loop()
        for turn in itertools.count():
            due = loop.time() + 0.5
            await asyncio.sleep(0.5)
            self._loop_lag.observe(max(0.0, loop.time() - due))
            self._memory.set(resident_bytes())
            self._in_flight.set(watched.in_flight())
            self._lost_lines.set(watched.lost_lines())
            self._alone.set(watched.redis_gone())
            for upstream, number in watched.connections():
                self._connections.labels(upstream).set(number)
            self._circuits.read(watched.circuits())
            self._queues.read(watched.queues())
            self.splits.read(watched.rolled_back())
            if turn % FLEETS_EVERY == 0:
                self._adapters.look(watched.fleets())

    def forget(self, upstreams: Iterable[str]) -> None:
        """These upstreams are gone, or others now, which begin to count anew."""
        for upstream in upstreams:
            self._connections.labels(upstream).set(0)
            self._circuits.forget(upstream)
            self._queues.forget(upstream)
            self._adapters.forget(upstream)

    def refused(self, per: str, measure: str) -> None:
        """A limit refused a request."""
        self._limit_refusals.labels(per, measure).inc()

    def answered(self, seconds: float) -> None:
        """Redis answered."""
        self._redis.observe(seconds)

    def unwritten(self, requests: int) -> None:
        """The database has not taken so many calls."""
        self._unwritten.set(requests)

    def exposition(self) -> bytes:
        """The numbers of all workers, in Prometheus' text format."""
        if SHARED_DIRECTORY not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def collect_stale_gauges() -> None:
    """Drop the gauges of workers that are gone; what they counted stays counted."""
    directory = os.environ.get(SHARED_DIRECTORY)
    if directory is None:
        return
    for path in Path(directory).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid, directory)  # type: ignore[no-untyped-call]


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
