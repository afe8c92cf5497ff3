"""The instruments of circuits."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.breaker import Circuit, State

Circuits: TypeAlias = Mapping[str, Sequence[Circuit]]
"""The circuits of every upstream's replicas, in the order of the configuration."""

_STATES: Mapping[State, int] = {"closed": 0, "half-open": 1, "open": 2}


class CircuitMetrics:
    """Reads now and then how circuits are, and counts how often they have opened since."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._before: dict[str, Sequence[int]] = {}
        """How often each had opened when it was read last."""
        self._states = Gauge(
            "hyperbridge_circuit_state",
            "A replica's circuit: 0 closed, 1 half-open, 2 open; of several workers the worst.",
            ("upstream", "replica"), registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._opened = Counter(
            "hyperbridge_circuit_opened", "How often a replica's circuit has opened.",
            ("upstream", "replica"), registry=registry,
        )  # fmt: skip

    def forget(self, upstream: str) -> None:
        """This upstream is gone, or another one now, which begins to count anew."""
        for number, _ in enumerate(self._before.pop(upstream, ())):
            self._states.labels(upstream, number).set(_STATES["closed"])

    def read(self, circuits: Circuits) -> None:
        for upstream, replicas in circuits.items():
            opened = self._before.get(upstream) or [0] * len(replicas)
            for number, (circuit, before) in enumerate(zip(replicas, opened, strict=True)):
                self._states.labels(upstream, number).set(_STATES[circuit.state])
                self._opened.labels(upstream, number).inc(circuit.opened - before)
            self._before[upstream] = [circuit.opened for circuit in replicas]
