"""Random plans: up to three routes with faults, and the gateway's configuration for them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

CLOSED = "closed"
"""A route to a port that nobody listens at."""
CLOSED_URL = "http://127.0.0.1:9/v1"
"""The discard service, which nobody runs."""

WORDS = "own=1&pad=2"
"""Words of one request alone, and of more than the eleven characters whose repetition may be chance (app/overlap.py)."""

_REFUSALS = (400, 401, 402, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 529)
_CODES = ("context_length_exceeded", "content_filter", "model_not_found")
_DIALECTS = ("openai", "vllm", "nebius", "anthropic", "text", "html")
_WAITS = (0.02, 0.1, 0.4, 3.0)
_GAPS = (0.0, 0.002, 0.02)

Fault = Callable[[Random, int], str]
"""A fault in the twin's words, of an answer of so many words."""

_FAULTS: Sequence[Fault] = (
    lambda random, _: f"status={random.choice(_REFUSALS)}&dialect={random.choice(_DIALECTS)}",
    lambda random, _: f"status=429&retry_after={random.choice((0, 1, 30))}",
    lambda random, _: f"status=503&retry_date={random.choice((0, 1, 30))}",
    lambda random, _: f"code={random.choice(_CODES)}",
    lambda random, _: f"head={random.choice(_WAITS)}",
    lambda random, _: f"first={random.choice(_WAITS)}",
    lambda random, words: f"cut={random.randrange(words + 1)}",
    lambda random, words: f"cut={random.randrange(words + 1)}&reset=1",
    lambda random, words: f"stall={random.randrange(words)}",
    lambda random, words: f"error={random.randrange(words)}",
    lambda random, words: f"malformed={random.randrange(words)}",
    lambda random, words: f"filter={random.randrange(1, words)}",
    lambda _random, _: "reset=1",
    lambda _random, _: "html=1",
    lambda _random, _: "truncated=1",
    lambda _random, _: "done=0",
    lambda _random, _: "finish=0",
    lambda _random, _: "finish=0&done=0",
)
_OCCASIONS = ("", "", "", "&fail=1", "&fail=2", "&every=2")
_CONTINUATIONS = ("", "", "&prefill=reject", "&overlap=3", "&restart=1")
_MANNERS = (
    "", "", "&usage=never", "&usage=always", "&split=7", "&newline=crlf", "&framing=close", "&close=1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What one call meets: its routes, best first, each the twin's script or CLOSED. Times in seconds."""

    words: int
    routes: Sequence[str]
    deadline: float
    by_header: bool
    gap: float
    hedged_after: float | None
    rescues: bool
    retries: int

    @classmethod
    def drawn(cls, random: Random, deadline: float | None = None) -> "Plan":
        """A random one, with this deadline or a random one."""
        words = random.randrange(2, 15)
        return cls(
            words=words,
            routes=[route(random, words) for _ in range(random.randrange(1, 4))],
            deadline=deadline or random.choice((0.2, 0.4, 0.6, 0.9, 1.2, 1.5)),
            by_header=random.choice((True, False)),
            gap=random.choice((0.1, 0.3, 5.0)),
            hedged_after=random.choice((None, None, 0.01, 0.1)),
            rescues=random.choice((True, True, False)),
            retries=random.randrange(3),
        )


def route(random: Random, words: int) -> str:
    """A random route: the twin's script, or CLOSED."""
    kind = random.randrange(12)
    if kind == 0:
        return CLOSED
    fault = "" if kind <= 2 else "&" + random.choice(_FAULTS)(random, words) + random.choice(_OCCASIONS)
    pace = f"chunks={words}&{WORDS}&gap={random.choice(_GAPS)}"
    goes_on = random.choice(_CONTINUATIONS)
    if "filter=" in fault:  # an answer that ends while it repeats the middle of the text could as well be new
        goes_on = ""
    return pace + fault + goes_on + random.choice(_MANNERS)


def configuration(plans: Sequence[Plan], url: str, **more: Any) -> str:
    """The gateway's configuration (JSON is YAML as well): the plan of number n is the model `plan-n`.

    Each route is an upstream of its own, so that no circuit and no retry budget is shared; the upstream `direct` is
    for those who name a route themselves.
    """
    upstreams: dict[str, Any] = {"direct": {"kind": "openai", "url": url, "breaker": None}}
    models: dict[str, Any] = {}
    for number, plan in enumerate(plans):
        names = [f"u{number}-{place}" for place in range(len(plan.routes))]
        targets = [f"{name}/m{number}?{route}" for name, route in zip(names, plan.routes, strict=True)]
        for name, route in zip(names, plan.routes, strict=True):
            upstreams[name] = _upstream(plan, route, url)
        models[f"plan-{number}"] = _model(plan, names[0], targets)
    return json.dumps({"upstreams": upstreams, "models": models, **more}, indent=1)


def _upstream(plan: Plan, route: str, url: str) -> dict[str, Any]:
    return {
        "kind": "openai",
        "url": CLOSED_URL if route == CLOSED else url,
        "idle_seconds": 0.5,
        "timeouts": {"connect": 1, "first_content": 5, "gap": plan.gap, "total": 10},
    }


def _model(plan: Plan, upstream: str, targets: Sequence[str]) -> dict[str, Any]:
    model: dict[str, Any] = {
        "upstream": upstream,
        "model": targets[0].partition("/")[2],
        "fallbacks": list(targets[1:]),
        "rescue": plan.rescues,
        "retries": plan.retries,
        "timeout_seconds": 10 if plan.by_header else plan.deadline,
    }
    if plan.hedged_after is not None:
        model["hedge"] = {"share": 1, "after_seconds": plan.hedged_after}
    return model
