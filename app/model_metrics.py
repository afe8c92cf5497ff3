"""The instrument of models that are missing."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge


class ModelMetrics:
    """Reads now and then which configured models their upstreams lack."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._known: frozenset[str] = frozenset()
        self._missing = Gauge(
            "hyperbridge_model_missing",
            "1 while an upstream does not list a model that this name stands for; 0 otherwise.",
            ("model",), registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip

    def read(self, missing: Mapping[str, bool]) -> None:
        """By the names of the configuration; one that is not there any more is missing nothing."""
        for gone in self._known - missing.keys():
            self._missing.labels(gone).set(0)
        for name, is_missing in missing.items():
            self._missing.labels(name).set(is_missing)
        self._known = frozenset(missing)
