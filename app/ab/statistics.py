"""What can be said of two arms that were asked the same questions. Pure.

Everywhere `gained` is what only the second arm has right, and `lost` what only the first has, of `count` questions. Both
may be fractions, where each question was asked several times and counts with its mean.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

Z = 1.959964
"""The standard normal's quantile for intervals of 95 %, so 2.5 % on either side."""
_Z_POWER = 0.841621
"""The same for a power of 80 %."""
RESAMPLES = 10_000
_STEPS = 60


def wilson(right: float, count: int) -> tuple[float, float]:
    """The interval of a share (Wilson 1927): it holds for few questions, and near 0 and 1."""
    if not count:
        return 0.0, 1.0
    share, square = right / count, Z * Z / count
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def mcnemar(gained: int, lost: int) -> float:
    """How likely so uneven a division is where the arms are equally good: both sides of the binomial, exactly."""
    total = gained + lost
    tail = sum(math.comb(total, number) for number in range(min(gained, lost) + 1))
    return min(2 * tail / (1 << total), 1.0)


def interval(gained: float, lost: float, count: int) -> tuple[float, float]:
    """The interval of the difference between paired shares, by the score (Tango 1998).

    It is not empty where no pair differs, as that of the bootstrap is; of fractions it is too wide rather than too
    narrow, for the square of a difference below 1 is less than the difference.
    """
    middle = (gained - lost) / count

    def lower(difference: float) -> bool:
        return _score(difference, gained, lost, count) > Z

    def upper(difference: float) -> bool:
        return _score(difference, gained, lost, count) > -Z

    return _edge(lower, -1.0, middle), _edge(upper, middle, 1.0)


def _score(difference: float, gained: float, lost: float, count: int) -> float:
    """How far off what was seen is, in standard errors, where the true difference is this one."""
    linear = (2 * count - gained + lost) * difference - gained - lost
    constant = -lost * difference * (1 - difference)
    root = math.sqrt(max(linear * linear - 8 * count * constant, 0.0))
    lost_share = (root - linear) / (4 * count)
    variance = count * (2 * lost_share + difference * (1 - difference))
    distance = gained - lost - count * difference
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)


def _edge(is_before: Callable[[float], bool], low: float, high: float) -> float:
    """Where `is_before` becomes false, between these two."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_before(middle) else (low, middle)
    return (low + high) / 2


def bootstrap(differences: Sequence[float], seed: int) -> tuple[float, float]:
    """The interval of the mean difference, from the questions drawn anew: 95 % of the means lie in it."""
    values = np.asarray(differences, dtype=float)
    drawing = np.random.default_rng(seed)
    means = [values[drawing.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def needed(gained: float, lost: float, count: int, margin: float) -> int | None:
    """How many questions would prove it with a power of 80 %, as things look now; None where they look worse than that.

    The sample size of a paired comparison of shares (Nam 1997), with half a question more on either side, so that
    it is some where no pair has differed yet.
    """
    difference = (gained - lost) / count
    if difference <= -margin:
        return None
    discordant = (gained + lost + 1) / (count + 1)
    spread = max(discordant - difference * difference, 0.0)
    return math.ceil((Z + _Z_POWER) ** 2 * spread / (difference + margin) ** 2)
