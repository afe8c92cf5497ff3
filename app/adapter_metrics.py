"""The instruments of adapters: what each one answers, and where each one is. vLLM counts none of it by adapter."""

from collections.abc import Mapping
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.fleet.seen import FleetSeen
from app.journal import Attempt, Record

Fleets: TypeAlias = Mapping[str, FleetSeen]
"""The upstreams that are given adapters."""


class AdapterMetrics:
    """Reads records, and looks now and then how fleets are."""

    def __init__(self, registry: CollectorRegistry, buckets: tuple[float, ...]) -> None:
        self._steps_before: dict[str, Mapping[tuple[str, str], int]] = {}
        self._shown: dict[str, frozenset[str]] = {}
        self._requests = Counter(
            "hyperbridge_adapter_requests", "Attempts at an adapter, by their outcome.",
            ("upstream", "adapter", "outcome"), registry=registry,
        )  # fmt: skip
        self._tokens = Counter(
            "hyperbridge_adapter_tokens", "Tokens of an adapter's calls.",
            ("upstream", "adapter", "kind"), registry=registry,
        )  # fmt: skip
        self._first_content = Histogram(
            "hyperbridge_adapter_first_content_seconds", "Time from an attempt's begin to its first content.",
            ("upstream", "adapter"), buckets=buckets, registry=registry,
        )  # fmt: skip
        self._replicas = Gauge(
            "hyperbridge_adapter_replicas", "On how many servers an adapter is wanted, and ready.",
            ("upstream", "adapter", "state"), registry=registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._steps = Counter(
            "hyperbridge_adapter_steps", "What was done at servers for their adapters.",
            ("upstream", "action", "result"), registry=registry,
        )  # fmt: skip
        self._waiting = Gauge(
            "hyperbridge_fleet_waiting", "Calls that wait for a server with room and their adapter.",
            ("upstream",), registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip

    def read(self, record: Record) -> None:
        """Count a closed record's attempts."""
        for attempt in record.attempts:
            self._count(attempt)

    def _count(self, attempt: Attempt) -> None:
        if attempt.placed is None or not attempt.placed.adapter:
            return
        upstream, adapter = attempt.route.upstream, attempt.placed.adapter
        self._requests.labels(upstream, adapter, attempt.outcome).inc()
        for kind, tokens in (("input", attempt.usage.input_tokens), ("output", attempt.usage.output_tokens)):
            if tokens:
                self._tokens.labels(upstream, adapter, kind).inc(tokens)
        if attempt.first_content:
            self._first_content.labels(upstream, adapter).observe(attempt.first_content - attempt.started)

    def forget(self, upstream: str) -> None:
        """This upstream is gone, or another one now, which begins to count anew."""
        self._steps_before.pop(upstream, None)
        for adapter in self._shown.pop(upstream, frozenset()):
            self._show(upstream, adapter, 0, 0)
            self._waiting.labels(upstream).set(0)

    def look(self, fleets: Fleets) -> None:
        """Show how fleets are now."""
        for upstream, fleet in fleets.items():
            self._waiting.labels(upstream).set(fleet.waiting)
            for each in fleet.adapters:
                self._show(upstream, each.name, len(each.wanted_on), len(each.ready_on))
            names = frozenset(each.name for each in fleet.adapters)
            for gone in self._shown.get(upstream, frozenset()) - names:
                self._show(upstream, gone, 0, 0)
            self._shown[upstream] = names
            before = self._steps_before.get(upstream, {})
            for (action, outcome), number in fleet.steps.items():
                self._steps.labels(upstream, action, outcome).inc(number - before.get((action, outcome), 0))
            self._steps_before[upstream] = dict(fleet.steps)

    def _show(self, upstream: str, adapter: str, wanted: int, ready: int) -> None:
        self._replicas.labels(upstream, adapter, "wanted").set(wanted)
        self._replicas.labels(upstream, adapter, "ready").set(ready)
