"""The instruments of calls that go to another model than their name's own, or to another one as well."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge


class SplitMetrics:
    """Counts who got a share of the calls, and reads now and then which canaries are rolled back."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._known: frozenset[str] = frozenset()
        self._calls = Counter(
            "hyperbridge_split", "Calls of a name that went to the target of its split or canary.",
            ("model", "target"), registry=registry,
        )  # fmt: skip
        self._shadows = Counter(
            "hyperbridge_shadow", "Copies of a name's calls for its shadow, by how they ended: `skipped` was never sent.",
            ("model", "outcome"), registry=registry,
        )  # fmt: skip
        self._rolled_back = Gauge(
            "hyperbridge_canary_rolled_back",
            "1 while the canary of this name is rolled back, in one worker at least; 0 otherwise.",
            ("model",), registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip

    def count(self, model: str, target: str) -> None:
        self._calls.labels(model, target).inc()

    def count_shadow(self, model: str, outcome: str) -> None:
        self._shadows.labels(model, outcome).inc()

    def read(self, rolled_back: Mapping[str, bool]) -> None:
        """By the names of the configuration; one that has no canary any more has none that is rolled back."""
        for gone in self._known - rolled_back.keys():
            self._rolled_back.labels(gone).set(0)
        for name, is_over in rolled_back.items():
            self._rolled_back.labels(name).set(is_over)
        self._known = frozenset(rolled_back)
