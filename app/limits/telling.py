"""What a client is told about its limits: headers as OpenAI writes them, and what a refusal says. Pure."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from app.allowance import Measure, usd
from app.contracts import Headers
from app.errors import BudgetSpent, LimitReached, LimitTooSmall
from app.limits.counters import Verdict
from app.limits.rules import Limit

TOLD: tuple[Measure, ...] = ("requests", "tokens")
"""The measures that have headers."""

PATIENCE_SECONDS = 60
"""OpenAI's clients wait no longer than this before they ask again; where it takes longer they are told not to."""


def headers(limits: Sequence[Limit], verdict: Verdict) -> Headers:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: of several limits the one with the smallest share left."""
    lines: list[tuple[bytes, bytes]] = []
    for measure in TOLD:
        tightest, left = -1, math.inf
        for index, limit in enumerate(limits):
            if limit.measure == measure:
                share = (limit.counter.limit - verdict.used[index]) / limit.counter.limit
                if share < left:
                    tightest, left = index, share
        if tightest >= 0:
            counter = limits[tightest].counter
            remaining = max(0, math.floor(counter.limit - verdict.used[tightest] + _ROUNDING))
            name = measure.encode()
            lines += [
                (b"x-ratelimit-limit-" + name, b"%d" % counter.limit),
                (b"x-ratelimit-remaining-" + name, b"%d" % remaining),
                (b"x-ratelimit-reset-" + name, duration(verdict.reset_seconds[tightest]).encode()),
            ]
    return lines


def refusal(limits: Sequence[Limit], amounts: Sequence[int], verdict: Verdict) -> LimitReached:
    """What the refused call is told: which limit, whose it is, and when it frees."""
    assert verdict.refused is not None
    limit, amount = limits[verdict.refused], amounts[verdict.refused]
    told = {name.decode(): value.decode() for name, value in headers(limits, verdict)}
    if math.isinf(verdict.wait_seconds):
        asked = f"${usd(amount)}" if limit.measure == "usd" else f"{amount} {limit.measure}"
        return LimitTooSmall(
            f"{limit.whose} may use {limit.written()}, and this request could take {asked}: shorten the prompt or "
            "lower max_tokens.",
            headers=told | {"x-should-retry": "false"},
        )
    seconds = max(1, math.ceil(verdict.wait_seconds))
    told["retry-after"] = str(seconds)
    if seconds > PATIENCE_SECONDS:
        told["x-should-retry"] = "false"
    kind = BudgetSpent if limit.measure == "usd" else LimitReached
    return kind(_said(limit, seconds, verdict.now), headers=told)


def _said(limit: Limit, seconds: int, now: float) -> str:
    if limit.measure is None:
        return f"{limit.whose} has {limit.written()}, and they are running: ask again when one has ended."
    verb = "spent its" if limit.measure == "usd" else "used its"
    freed = datetime.fromtimestamp(now + seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{limit.whose} has {verb} {limit.written()}: ask again in {duration(seconds)} ({freed})."


def duration(seconds: float) -> str:
    """As OpenAI writes it: `12ms`, `1s`, `6m0s`, `1h0m0s`; rounded up, so that who waits so long has waited enough."""
    if seconds < 1:
        return f"{math.ceil(round(seconds * 1000, 6))}ms"
    minutes, rest = divmod(math.ceil(round(seconds, 6)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"


_ROUNDING = 1e-6
"""What sums of fractions are off by."""
