"""The instruments of the pacing towards upstreams."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.contracts import WAIT_BOUNDS, Queue

Queues: TypeAlias = Mapping[str, Queue]
"""Who waits for the budget of each upstream that is paced."""


class GapHistogram(Histogram):
    """A histogram that takes many values at once, counted per bucket before: a stream's gaps, an upstream's waits."""

    def merge(self, counts: Sequence[int], total_seconds: float) -> None:
        self._sum.inc(total_seconds)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class QueueMetrics:
    """Reads now and then what upstreams show of their queues, and counts what has come since."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._before: Queues = {}
        self._length = Gauge(
            "hyperbridge_upstream_queue_length", "Calls that wait for an upstream's budget.",
            ("upstream", "priority"), registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self._seconds = GapHistogram(
            "hyperbridge_upstream_queue_seconds", "How long calls waited for an upstream's budget.",
            ("upstream", "priority"), buckets=WAIT_BOUNDS, registry=registry,
        )  # fmt: skip
        self._dropped = Counter(
            "hyperbridge_upstream_queue_dropped", "Calls that were not let wait for an upstream's budget, or no longer.",
            ("upstream", "reason"), registry=registry,
        )  # fmt: skip
        self._limit = Gauge(
            "hyperbridge_upstream_limit", "How much an upstream is asked for at most in a minute.",
            ("upstream", "measure"), registry=registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._over_limit = Counter(
            "hyperbridge_upstream_over_limit", "Answers that an upstream gave beyond its limit, as it said.",
            ("upstream",), registry=registry,
        )  # fmt: skip

    def forget(self, upstream: str) -> None:
        """This upstream is gone, or another one now, which begins to count anew."""
        gone = self._before.get(upstream, _NO_QUEUE)
        for priority in gone.waiting:
            self._length.labels(upstream, priority).set(0)
        self._before = {name: queue for name, queue in self._before.items() if name != upstream}

    def read(self, queues: Queues) -> None:
        for upstream, queue in queues.items():
            old = self._before.get(upstream, _NO_QUEUE)
            for priority, waiting in queue.waiting.items():
                self._length.labels(upstream, priority).set(waiting)
                waits = queue.waits[priority].since(old.waits.get(priority))
                self._seconds.labels(upstream, priority).merge(waits.counts, waits.seconds)
            for reason, dropped in queue.dropped.items():
                self._dropped.labels(upstream, reason).inc(dropped - old.dropped.get(reason, 0))
            for measure, limit in queue.limits.items():
                self._limit.labels(upstream, measure).set(limit)
            self._over_limit.labels(upstream).inc(queue.over_limit - old.over_limit)
        self._before = queues


_NO_QUEUE = Queue({}, {}, {}, {}, 0)
