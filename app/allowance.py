"""How much somebody may use: so much of something in a period, and so many calls at once.

Amounts are whole numbers: requests, tokens, and money in nano-dollars, so that sums are exact.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

Measure: TypeAlias = Literal["requests", "tokens", "usd"]
Period: TypeAlias = Literal["minute", "hour", "day", "month"]
Scope: TypeAlias = Literal["key", "key+model", "user", "model", "everyone"]
"""What is counted apart."""

PERIODS: tuple[Period, ...] = get_args(Period)
NANO_USD = 1_000_000_000
"""Nano-dollars in a dollar: a token of the cheapest models costs about ten of them."""
MOST = 2**53 - 1
"""The largest amount: up to here every whole number is exact in Redis' Lua, too."""

_BOUND = re.compile(r"(?P<amount>[0-9]{1,16}(?:\.[0-9]{1,9})?)\s*/\s*(?P<period>[a-z]+)")


@dataclass(frozen=True, slots=True)
class Bound:
    """At most `amount` (in the measure's own unit, above 0) in each period."""

    amount: int
    period: Period

    @classmethod
    def parse(cls, text: str, measure: Measure) -> "Bound":
        """`100/hour`, or `2.50/month` for money. Raises ValueError saying what would be right."""
        found = _BOUND.fullmatch(text.strip())
        example = "50/month or 2.50/day" if measure == "usd" else "100/hour"
        if found is None or found["period"] not in PERIODS:
            raise ValueError(f"must be an amount a period, like {example}; periods are {', '.join(PERIODS)}")
        if "." in found["amount"] and measure != "usd":
            raise ValueError(f"must be a whole number a period, like {example}")
        amount = int(Decimal(found["amount"]) * (NANO_USD if measure == "usd" else 1))
        if not 0 < amount <= MOST:
            raise ValueError(
                f"must be above 0 and at most {usd(MOST) if measure == 'usd' else MOST} a period"
            )
        return cls(amount, next(period for period in PERIODS if period == found["period"]))

    def written(self, measure: Measure) -> str:
        """As `parse` reads it."""
        return f"{usd(self.amount) if measure == 'usd' else self.amount}/{self.period}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """Bounds of each measure, all of which hold, and how many calls may run at once; nothing set is unbounded."""

    requests: tuple[Bound, ...] = ()
    tokens: tuple[Bound, ...] = ()
    usd: tuple[Bound, ...] = ()
    concurrent: int | None = None

    def over(self, other: "Allowance") -> "Allowance":
        """This one, with the other's bounds where this one says nothing about a measure."""
        return Allowance(
            self.requests or other.requests,
            self.tokens or other.tokens,
            self.usd or other.usd,
            other.concurrent if self.concurrent is None else self.concurrent,
        )


UNBOUNDED = Allowance()


def usd(nano: int) -> str:
    """Dollars as text, without an exponent and without zeros that say nothing: 2500000000 is 2.5."""
    whole, part = divmod(nano, NANO_USD)
    return f"{whole}.{part:09d}".rstrip("0").rstrip(".")
