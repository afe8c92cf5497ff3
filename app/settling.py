"""What a call has used, when it is over."""

from app.contracts import Call
from app.estimate import input_tokens
from app.journal import Record
from app.prices import Prices
from app.usage import Usage

_NOTHING = Usage()


def settle(call: Call, record: Record, prices: Prices) -> None:
    """Write into the record what all attempts together have used, and what it cost."""
    usage, nano_usd = _NOTHING, 0
    for attempt in record.attempts:
        used = attempt.settle(lambda: input_tokens(call))
        attempt.charge(prices.of(attempt.route))
        usage = used if usage is _NOTHING else usage + used
        nano_usd += attempt.nano_usd
    record.usage, record.nano_usd = usage, nano_usd
