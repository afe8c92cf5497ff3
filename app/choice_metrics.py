"""The instruments of what the router chose, and of whom it asked for that."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.journal import Record

NO_MODE = "none"
ENCODER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ChoiceMetrics:
    """Fed from closed records."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(
            "hyperbridge_decisions", "Modes of calls that had a choice, by who chose: `none` is no mode.",
            ("mode", "by"), registry=registry,
        )  # fmt: skip
        self._encoder = Histogram(
            "hyperbridge_encoder_seconds", "How long calls waited for the router's encoder, by how that went.",
            ("outcome",), buckets=ENCODER_SECONDS, registry=registry,
        )  # fmt: skip

    def read(self, record: Record) -> None:
        """Count what was decided for it, and what the encoder had to do with that."""
        if record.decision is not None:
            self._decisions.labels(record.decision.mode or NO_MODE, record.decision.by).inc()
        if record.encoded is not None:
            self._encoder.labels(record.encoded.outcome).observe(record.encoded.seconds)
