"""Which limits a call falls under, and how much of each it asks for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.allowance import MOST, UNBOUNDED, Allowance, Bound, Measure, Scope, usd
from app.contracts import Caller
from app.limits.counters import BUCKET_SECONDS, Counter, CounterKind

MOST_KNOWN = 10_000
"""Combinations of key, model and user whose limits are kept at hand."""

TOLD: tuple[Measure, ...] = ("requests", "tokens")
"""The measures that clients are told about in headers."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An allowance for each key, user or model, or for all together; only for these models, where some are named."""

    scope: Scope
    allowance: Allowance
    models: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Limit:
    """A counter, what it measures (None: calls that run), what it is counted for, and whose it is, as a client is told."""

    counter: Counter
    measure: Measure | None
    per: str
    whose: str

    def written(self) -> str:
        """As in "the key 'a' has used its 100 requests per hour"."""
        if self.measure is None:
            return f"{self.counter.limit} calls at once"
        if self.measure == "usd":
            return f"budget of ${usd(self.counter.limit)} per {self.counter.period}"
        return f"{self.counter.limit} {self.measure} per {self.counter.period}"


class Limits:
    """All limits that one call falls under, and which of them measure what."""

    __slots__ = ("costs", "counters", "each", "measures", "told", "weighs")

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.each = tuple(limits)
        self.counters = tuple(limit.counter for limit in limits)
        self.measures = tuple(limit.measure for limit in limits)
        self.costs = "usd" in self.measures
        self.weighs = self.costs or "tokens" in self.measures
        """Whether the call's tokens matter, or what they cost."""
        self.told = tuple(
            (measure, [index for index, each in enumerate(self.measures) if each == measure])
            for measure in TOLD
            if measure in self.measures
        )
        """Of each measure that clients are told about, where its limits stand."""

    def amounts(self, tokens: int, nano_usd: int) -> Sequence[int]:
        """How much of each a call is that has so many tokens and costs so much."""
        tokens, nano_usd = min(tokens, MOST), min(nano_usd, MOST)
        return [tokens if each == "tokens" else nano_usd if each == "usd" else 1 for each in self.measures]


NO_LIMITS = Limits(())


class Rules:
    """All rules of the configuration, and the allowances that callers bring along."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._of_keys = [rule.allowance for rule in rules if rule.scope == "key" and not rule.models]
        self._others = [rule for rule in rules if rule.scope != "key" or rule.models]
        self.by_user = any(rule.scope == "user" for rule in rules)
        """Whether it matters whom a call names as its user."""
        self._known: dict[tuple[int, str, str], tuple[Caller, Limits]] = {}
        """By the caller's identity, which is quicker to compare than all that it may; the caller is kept, so that its
        identity stays its own.
        """

    def limits(self, caller: Caller, model: str, user: str) -> Limits:
        """What holds for this caller, the configured name it asks for, and its user."""
        key = (id(caller), model, user)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            known = self._known[key] = caller, self._found(caller, model, user)
        return known[1]

    def _found(self, caller: Caller, model: str, user: str) -> Limits:
        subjects = {
            "key": (caller.id, f"The key {caller.id!r}"),
            "key+model": (f"{caller.id}:{model}", f"The key {caller.id!r} with the model {model!r}"),
            "user": (f"{caller.id}:{user}", "The user that this request names"),
            "model": (model, f"The model {model!r}"),
            "everyone": ("", "This gateway"),
        }
        limits: dict[str, Limit] = {}
        for own in self._of_keys or [UNBOUNDED]:
            _add(limits, "key", subjects["key"], caller.allowance.over(own))
        if caller.grant:
            whose = f"This short-lived key of {caller.id!r}"
            _add(limits, "grant", (f"{caller.id}:{caller.grant}", whose), caller.grant_allowance)
        for rule in self._others:
            name, whose = subjects[rule.scope]
            if rule.models:
                if model not in rule.models:
                    continue
                name, whose = f"{name}:only:{','.join(sorted(rule.models))}", f"{whose}, with this model,"
            _add(limits, rule.scope, (name, whose), rule.allowance)
        return Limits(tuple(limits.values())) if limits else NO_LIMITS


def _add(limits: dict[str, Limit], scope: str, subject: tuple[str, str], allowance: Allowance) -> None:
    """The limits of an allowance; of two for the same thing in the same period the tighter one."""
    name, whose = subject
    measures: Sequence[tuple[Measure, Sequence[Bound]]] = (
        ("requests", allowance.requests),
        ("tokens", allowance.tokens),
        ("usd", allowance.usd),
    )
    found = [
        Limit(_counter(measure, bound, scope, name), measure, scope, whose)
        for measure, bounds in measures
        for bound in bounds
    ]
    if allowance.concurrent is not None:
        found.append(
            Limit(Counter(f"calls:{scope}:{name}", "slots", allowance.concurrent), None, scope, whose)
        )
    for limit in found:
        other = limits.get(limit.counter.name)
        if other is None or limit.counter.limit < other.counter.limit:
            limits[limit.counter.name] = limit


def _counter(measure: Measure, bound: Bound, scope: str, name: str) -> Counter:
    kind: CounterKind = "bucket" if bound.period in BUCKET_SECONDS else "window"
    return Counter(f"{measure}:{bound.period}:{scope}:{name}", kind, bound.amount, bound.period)
