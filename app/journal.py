"""One record per exchange: written when it ends, however it ends, and read by metrics and log."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Literal

from app.contracts import Caller, Headers, Placed, Recalled, Route, Saving, Vector
from app.decision import Decision
from app.errors import Failure, UpstreamBroken
from app.operations import Operation
from app.price_table import Price
from app.reading import Reading
from app.usage import Usage

GAP_BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds of the buckets that gaps between chunks are counted in."""


_NOTHING = Usage()

_LEFT = frozenset({"cancelled", "upstream_timeout"})
"""How an attempt ends that nobody waits for any more, though the upstream may be at work."""

AttemptKind = Literal["first", "retry", "fallback", "hedge", "rescue"]


class Attempt:
    """One try of one route. Times as in a record."""

    __slots__ = (
        "ended",
        "first_content",
        "kind",
        "nano_usd",
        "outcome",
        "placed",
        "priced",
        "reading",
        "route",
        "saving",
        "sent_at",
        "started",
        "thinking",
        "usage",
    )

    def __init__(self, route: Route, kind: AttemptKind) -> None:
        self.route = route
        self.kind = kind
        self.started = perf_counter()
        self.first_content = 0.0
        self.ended = 0.0
        self.outcome = ""
        """`ok`, the failure's kind, or `cancelled`; empty while it runs."""
        self.reading: Reading | None = None
        self.sent_at = 0.0
        """When the upstream had the request."""
        self.thinking = ""
        """What became of the wish to think or not."""
        self.placed: Placed | None = None
        """Which replica it went to, where the upstream has several."""
        self.saving: Saving | None = None
        """What its prompt lost in tokens; None where that was not tried."""
        self.usage = _NOTHING
        self.nano_usd = 0
        self.priced = True
        """Whether it is known what its tokens cost."""

    def place(self, placed: Placed) -> None:
        """It goes to this replica."""
        self.placed = placed

    def sent(self) -> None:
        """The upstream has the request."""
        self.sent_at = perf_counter()

    def begin(self, reading: Reading) -> None:
        """The first content is here."""
        self.first_content = perf_counter()
        self.reading = reading

    def end(self, error: BaseException | None) -> None:
        """It is over, by this error or well."""
        self.ended = perf_counter()
        if self.reading is not None and self.reading.failed:
            self.outcome = UpstreamBroken("").kind
        elif error is None or (self.reading is not None and self.reading.ended):
            self.outcome = "ok"
        elif isinstance(error, Failure):
            self.outcome = error.kind
        else:
            self.outcome = "cancelled" if isinstance(error, asyncio.CancelledError) else "internal"

    def settle(self, input_tokens: Callable[[], int]) -> Usage:
        """What the upstream reported; where it did not, output is counted by events with content, and
        `input_tokens` estimates the rest. Who is left while it works on its answer has read the prompt; one that refused or
        broke used nothing that is known.
        """
        reading = self.reading
        if reading is not None and reading.usage is not None:
            self.usage = reading.usage
            if not reading.finished and reading.content_events > reading.usage.output_tokens:  # told in parts
                self.usage = replace(reading.usage, output_tokens=reading.content_events, estimated=True)
        elif self.reading is not None and self.reading.content_events:
            self.usage = Usage(input_tokens(), self.reading.content_events, estimated=True)
        elif self.sent_at and self.outcome in _LEFT:
            self.usage = Usage(input_tokens(), estimated=True)
        return self.usage

    def charge(self, price: Price | None) -> None:
        """What was used costs so much; None is not known."""
        self.priced = price is not None or not (self.usage.input_tokens or self.usage.output_tokens)
        self.nano_usd = 0 if price is None else price.cost(self.usage)


class Record:
    """What is known of one exchange. Times are moments of `time.perf_counter`, in seconds (uvloop's own clock
    counts whole milliseconds); 0.0 is not yet.
    """

    __slots__ = (
        "answered", "arrived", "asked", "attempts", "bytes_in", "bytes_out", "caller", "chunks", "decision", "encoded",
        "ended",
        "failure", "finish", "first_content", "gap_counts", "gap_seconds", "id", "last_chunk", "model", "nano_usd", "operation",
        "placed", "prompt_hash", "recalled", "rescues", "route", "saving", "sent", "streams", "thinking", "told", "usage", "user", "wall",
    )  # fmt: skip

    def __init__(self, id: str, operation: Operation, arrived: float) -> None:  # noqa: A002, PLR0915 - all there is to tell
        self.id = id
        self.operation = operation
        self.wall = time.time()
        self.arrived = arrived
        """When the whole request was here."""
        self.asked = self.first_content = self.sent = self.answered = self.ended = 0.0
        """When the request was handed to an upstream, its first content was here, that was handed to the client's
        connection, the upstream's last byte was here, and all was over.
        """
        self.caller: Caller | None = None
        self.model = ""
        """The configured name that was asked for; a name that nothing is configured for stays out."""
        self.encoded: Vector | None = None
        """How it went with the router's encoder, where there was need of it; without the numbers."""
        self.recalled: Recalled | None = None
        """What was put beneath its question, where it wanted that."""
        self.decision: Decision | None = None
        """How mode and model were chosen, where there was a choice."""
        self.route: Route | None = None
        """The one that answered, or was tried last."""
        self.attempts: list[Attempt] = []
        self.streams = False
        self.failure: Failure | None = None
        self.finish: str | None = None
        self.usage = Usage()
        self.nano_usd = 0
        """What all attempts cost, in nano-dollars."""
        self.told: Headers = ()
        """What the client is told about its limits."""
        self.thinking = ""
        """What it is told about its wish to think or not; "" is nothing."""
        self.saving: Saving | None = None
        """What the prompt of the attempt that answered lost in tokens."""
        self.placed: Placed | None = None
        """The replica that answered, where its upstream has several."""
        self.user = self.prompt_hash = ""
        """Whom the caller named as its user, and the prompt, both shortened beyond recognition."""
        self.rescues = self.bytes_in = self.bytes_out = self.chunks = 0
        self.last_chunk = self.gap_seconds = 0.0
        self.gap_counts: list[int] | None = None

    @property
    def outcome(self) -> str:
        """The failure's kind, or `ok`."""
        return "ok" if self.failure is None else self.failure.kind

    @property
    def status(self) -> int:
        return 200 if self.failure is None else self.failure.status

    @property
    def overhead_seconds(self) -> float | None:
        """The gateway's own time before the first byte: request here to upstream asked, less what the router's encoder and
        the sources of what was recalled took, and content here to sent.
        """
        if not self.asked or not self.sent:
            return None
        waited = 0.0 if self.encoded is None else self.encoded.seconds
        waited += 0.0 if self.recalled is None else self.recalled.seconds
        return (self.asked - self.arrived - waited) + (self.sent - self.first_content)

    def chunk(self, now: float, size: int) -> None:
        """A chunk of the answer came by."""
        self.bytes_out += size
        self.chunks += 1
        if self.chunks > 1:
            gap = now - self.last_chunk
            if self.gap_counts is None:
                self.gap_counts = [0] * (len(GAP_BOUNDS) + 1)
            self.gap_counts[bisect_left(GAP_BOUNDS, gap)] += 1
            self.gap_seconds += gap
        self.last_chunk = now


Reader = Callable[[Record], None]


class Journal:
    """Opens records and shows each to its readers when it is closed."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = readers
        self.open_records = 0

    @contextmanager
    def writing(self, record: Record) -> Generator[Record]:
        """Hold a record; leaving the block closes it."""
        self.open_records += 1
        try:
            yield record
        finally:
            self.open_records -= 1
            record.ended = perf_counter()
            for reader in self._readers:
                reader(record)
