"""What a client is told about its limits: headers as OpenAI writes them, and what a refusal says. Pure."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from app.allowance import usd
from app.contracts import Headers
from app.errors import BudgetSpent, LimitReached, LimitTooSmall
from app.limits.counters import Verdict, part, reset_seconds
from app.limits.rules import TOLD, Limit, Limits

FAR_SECONDS = 366 * 86_400
"""A moment beyond this is not told as a date."""

PATIENCE_SECONDS = 60
"""OpenAI's clients wait no longer than this before they ask again; where it takes longer they are told not to."""


def headers(limits: Limits, verdict: Verdict) -> Headers:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: of several limits the one with the smallest share left."""
    lines: list[tuple[bytes, bytes]] = []
    for measure, places in limits.told:
        index = (
            places[0] if len(places) == 1 else min(places, key=lambda place: _left(limits, verdict, place))
        )
        counter, used = limits.counters[index], verdict.used[index]
        limit = part(counter, verdict.share)
        seconds = reset_seconds(counter, limit, used, verdict.now)
        remaining, (first, second, third) = int(limit - used + _ROUNDING), _NAMES[measure]
        lines += (
            (first, b"%d" % counter.limit),
            (second, b"%d" % remaining if remaining > 0 else b"0"),
            (third, duration(seconds).encode()),
        )
    return lines


def refusal(limits: Limits, amounts: Sequence[int], verdict: Verdict) -> LimitReached:
    """What the refused call is told: which limit, whose it is, and when it frees."""
    assert verdict.refused is not None
    limit, amount = limits.each[verdict.refused], amounts[verdict.refused]
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


def _left(limits: Limits, verdict: Verdict, place: int) -> float:
    """The share of a limit that is left."""
    limit = part(limits.counters[place], verdict.share)
    return (limit - verdict.used[place]) / limit


def _said(limit: Limit, seconds: int, now: float) -> str:
    if limit.measure is None:
        return f"{limit.whose} may have {limit.written()}, and so many run: ask again when one has ended."
    verb = "spent its" if limit.measure == "usd" else "used its"
    if seconds > FAR_SECONDS:
        return (
            f"{limit.whose} has {verb} {limit.written()}, and will not have any of it for more than a year."
        )
    freed = datetime.fromtimestamp(now + seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{limit.whose} has {verb} {limit.written()}: ask again in {duration(seconds)} ({freed})."


def duration(seconds: float) -> str:
    """As OpenAI writes it: `12ms`, `1s`, `6m0s`, `1h0m0s`; rounded up, so that who waits so long has waited enough."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000 - _ROUNDING)}ms"
    whole = math.ceil(seconds - _ROUNDING)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


_NAMES = {
    measure: tuple(f"x-ratelimit-{what}-{measure}".encode() for what in ("limit", "remaining", "reset"))
    for measure in TOLD
}

_ROUNDING = 1e-6
"""What sums of fractions are off by."""
