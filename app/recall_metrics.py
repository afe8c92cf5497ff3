"""The instruments of what was recalled for calls, and remembered of them."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.journal import Record

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class RecallMetrics:
    """Fed from closed records, and by who remembers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._recalls = Counter(
            "hyperbridge_recalls", "Sources that were asked what bears on a question, by how that went.",
            ("source", "outcome"), registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "hyperbridge_recall_seconds", "How long calls waited for what they wanted recalled.",
            (), buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self._remembered = Counter(
            "hyperbridge_remembered", "Answers that were to be remembered, by how that went.",
            ("outcome",), registry=registry,
        )  # fmt: skip

    def read(self, record: Record) -> None:
        """Count what was recalled for it; sessions are the clients' own names, and no labels."""
        recalled = record.recalled
        if recalled is None:
            return
        self._seconds.observe(recalled.seconds)
        for name, count in recalled.counts.items():
            self._recalls.labels(name.partition(":")[0], "ok" if count else "empty").inc()
        for name in recalled.failed:
            self._recalls.labels(name.partition(":")[0], "failed").inc()

    def remembered(self, outcome: str) -> None:
        self._remembered.labels(outcome).inc()
