"""The instruments of the configuration's changes."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class ConfigurationMetrics:
    """How changes of the file have ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reloads = Counter(
            "hyperbridge_config_reloads", "Changes of the configuration's file, by what became of them.",
            ("outcome",), registry=registry,
        )  # fmt: skip
        for outcome in ("applied", "kept_out"):
            self._reloads.labels(outcome)  # so that the first one is an increase
        self._applied = Gauge(
            "hyperbridge_config_applied_timestamp_seconds",
            "Since when the configuration is in force, in seconds since 1970; of several workers the longest.",
            registry=registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._kept_out = Gauge(
            "hyperbridge_config_kept_out", "1 while the file is wrong and what was in force before still is.",
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip

    def begun(self, moment: float) -> None:
        """The worker has started with what is in force."""
        self._applied.set(moment)
        self._kept_out.set(0)

    def applied(self, moment: float) -> None:
        self._reloads.labels("applied").inc()
        self.begun(moment)

    def kept_out(self) -> None:
        self._reloads.labels("kept_out").inc()
        self._kept_out.set(1)
