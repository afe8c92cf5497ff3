"""A number within the bounds that a JSON schema sets."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

_ONE = Fraction(1)


class NoNumber(ValueError):
    """No number is within the bounds, or a bound is none."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval, open where `above` or `below` say so, and the step that numbers in it are multiples of."""

    low: Fraction | None
    high: Fraction | None
    above: bool
    below: bool
    step: Fraction | None

    @classmethod
    def of(cls, schema: Mapping[str, Any], *, whole: bool) -> "Bounds":
        low, open_low = _bound(schema, "minimum"), _bound(schema, "exclusiveMinimum")
        high, open_high = _bound(schema, "maximum"), _bound(schema, "exclusiveMaximum")
        above = open_low is not None and (low is None or open_low >= low)
        below = open_high is not None and (high is None or open_high <= high)
        step = _bound(schema, "multipleOf")
        if step is not None and step <= 0:
            raise NoNumber
        if whole:  # the whole multiples of p/q are the multiples of p
            step = _ONE if step is None else Fraction(step.numerator)
        return cls(open_low if above else low, open_high if below else high, above, below, step)

    def hold(self, value: float) -> bool:
        exact = _exact(value)
        if self.low is not None and (exact < self.low or (self.above and exact == self.low)):
            return False
        if self.high is not None and (exact > self.high or (self.below and exact == self.high)):
            return False
        return self.step is None or (exact / self.step).denominator == 1


def number(schema: Mapping[str, Any], wanted: Sequence[float], turn: int, *, whole: bool) -> float:
    """The first wanted number that fits, else one made from the bounds; another `turn` makes another one."""
    bounds = Bounds.of(schema, whole=whole)
    if turn == 0:
        for value in wanted:
            if bounds.hold(value) and not (whole and isinstance(value, float)):
                return value
    for candidate in _candidates(bounds, turn):
        value = _plain(candidate)
        if bounds.hold(value):
            return value
    raise NoNumber


def _candidates(bounds: Bounds, turn: int) -> Iterator[Fraction]:
    step = bounds.step or _ONE
    yield (1 + turn) * step
    if bounds.low is not None:
        first = math.ceil(bounds.low / step) * step
        yield first + turn * step
        yield first + (1 + turn) * step
    if bounds.high is not None:
        last = math.floor(bounds.high / step) * step
        yield last - turn * step
        yield last - (1 + turn) * step
    if bounds.low is not None and bounds.high is not None:
        yield bounds.low + (bounds.high - bounds.low) / (2 + turn)
        yield bounds.low if turn == 0 else bounds.high


def _plain(exact: Fraction) -> float:
    if exact.denominator == 1:
        return exact.numerator
    try:
        return float(exact)
    except OverflowError:
        raise NoNumber from None


def _bound(schema: Mapping[str, Any], name: str) -> Fraction | None:
    value = schema.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoNumber
    return _exact(value)


def _exact(value: float) -> Fraction:
    """The number as it was written: 0.1 is a tenth, not the nearest binary fraction."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))
