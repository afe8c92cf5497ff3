"""The instruments of scenes: what was saved, and what could have been."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.contracts import Saving

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)


class SceneMetrics:
    """What encoding did to prompts; `sent` is `no` where that was only measured."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tokens = Counter(
            "hyperbridge_scene_tokens", "Tokens of the parts of prompts that were said shorter, before and after, and of codebooks' legends.",
            ("layer", "sent", "stage"), registry=registry,
        )  # fmt: skip
        self._parts = Counter(
            "hyperbridge_scene_parts", "Parts of prompts that were said shorter, by the form they took.",
            ("layer", "sent", "form"), registry=registry,
        )  # fmt: skip
        self._refusals = Counter(
            "hyperbridge_scene_refusals", "Prompts that were encoded with less than their layer has, for what else they ask.",
            ("reason",), registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "hyperbridge_scene_seconds", "How long a prompt took to be encoded, or to be found again as it was encoded.",
            ("layer", "sent"), buckets=SECONDS, registry=registry,
        )  # fmt: skip

    def sent(self, saving: Saving) -> None:
        """A prompt that was answered had gone out encoded, with less than its layer has where that was refused."""
        if saving.why:
            self._refusals.labels(saving.why).inc()
        self._count(saving, "yes")

    def measured(self, saving: Saving) -> None:
        """A prompt went out as it came, and this could have been saved."""
        self._count(saving, "no")

    def _count(self, saving: Saving, sent: str) -> None:
        self._seconds.labels(saving.layer, sent).observe(saving.seconds)
        for form, parts in saving.forms.items():
            self._parts.labels(saving.layer, sent, form).inc(parts)
        if saving.legend_tokens:
            self._tokens.labels(saving.layer, sent, "legend").inc(saving.legend_tokens)
        if saving.before:
            self._tokens.labels(saving.layer, sent, "before").inc(saving.before)
            self._tokens.labels(saving.layer, sent, "after").inc(saving.after)
