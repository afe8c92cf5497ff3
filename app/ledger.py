"""The ledger: adds up what was used, and writes the sums into the database once in a while.

What is not written yet is kept and written later, however long the database is gone: it is sums, whose number
is bounded by the names that are configured. A batch has a number, so that one whose commit stayed uncertain is
written once all the same.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from time import monotonic

from app.errors import ClientLeft
from app.journal import Attempt, Record
from app.store.faults import StoreUnavailable
from app.store.usage import HOUR_SECONDS, Batch, Line, Outcome, Sums, Usage

MAX_LINES = 20_000
"""Sums held apart; beyond them an upstream's own names for its models are no longer."""
ANY = "*"
"""Stands for names that are not told apart."""
MAX_NAMES = 1000
MAX_TOKENS = 10**9
MAX_NANO_USD = 10**15
"""What one attempt counts at most, whatever an upstream says."""
COMPLAIN_SECONDS = 60.0
LAST_SECONDS = 10.0
"""How long a stop waits for the last sums to be written."""

_log = logging.getLogger("hyperbridge")


class Ledger:
    """A reader of records, and the task that writes what it has read.

    `unwritten` are the calls that are not in the database yet, `failing` says that it did not take them when it was
    last asked. `told` hears each time how many it did not take.
    """

    def __init__(
        self, usage: Usage, flush_seconds: float, told: Callable[[int], None] = lambda _: None
    ) -> None:
        self.failing = False
        self._usage = usage
        self._flush_seconds = flush_seconds
        self._told = told
        self._writer = secrets.token_hex(16)
        self._sequence = 0
        self._sums: dict[Line, Sums] = {}
        self._batch: Batch = ()
        self._complained = -COMPLAIN_SECONDS
        self._unpriced: set[tuple[str, str]] = set()

    @property
    def unwritten(self) -> int:
        waiting = sum(sums.requests for _, sums in self._batch)
        return waiting + sum(sums.requests for sums in self._sums.values())

    def read(self, record: Record) -> None:
        """Add a closed record; one whose caller is not known is nobody's usage."""
        if record.caller is None:
            return
        hour = int(record.wall) // HOUR_SECONDS * HOUR_SECONDS
        outcome = _outcome(record)
        upstream = upstream_model = ""
        if record.route is not None:
            upstream, upstream_model = record.route.upstream, _name(record.route.model, record.model, outcome)
        whole = Line(
            hour, record.caller.id, record.model, upstream, upstream_model, record.operation.name, outcome
        )
        self._of(whole).requests += 1
        for attempt in record.attempts:
            route = attempt.route
            if route is record.route:
                self._add(attempt, whole)
            else:
                name = _name(route.model, record.model, outcome)
                self._add(attempt, whole._replace(upstream=route.upstream, upstream_model=name))

    def _add(self, attempt: Attempt, line: Line) -> None:
        usage = attempt.usage
        sums = self._of(line)
        sums.attempts += 1
        read, written = min(usage.input_tokens, MAX_TOKENS), min(usage.output_tokens, MAX_TOKENS)
        tokens = read + written
        sums.input_tokens += read
        sums.output_tokens += written
        sums.cached_tokens += min(usage.cached_tokens, MAX_TOKENS)
        sums.reasoning_tokens += min(usage.reasoning_tokens, MAX_TOKENS)
        if usage.estimated:
            sums.estimated_tokens += tokens
        if attempt.priced:
            sums.nano_usd += min(attempt.nano_usd, MAX_NANO_USD)
        else:
            sums.unpriced_tokens += tokens
            self._say_unpriced(line)

    def _of(self, line: Line) -> Sums:
        sums = self._sums.get(line)
        if sums is None:
            if len(self._sums) >= MAX_LINES:
                line = line._replace(upstream_model=ANY)
            sums = self._sums.setdefault(line, Sums())
        return sums

    def _say_unpriced(self, line: Line) -> None:
        name = (line.upstream, line.upstream_model)
        if name not in self._unpriced and len(self._unpriced) < MAX_NAMES:
            self._unpriced.add(name)
            _log.warning(
                "no price is known of %s/%s: its calls are counted as costing nothing; set upstreams.%s.price,"
                " or the price of its model",
                *(*name, line.upstream),
            )

    async def keep(self) -> None:
        """Write every `flush_seconds`, until cancelled."""
        while True:
            await asyncio.sleep(self._flush_seconds)
            try:
                await self.flush()
            except Exception:  # noqa: BLE001 - a defect must not end what keeps everybody's usage
                self.failing = True
                _log.exception("usage could not be written")

    async def close(self) -> None:
        """Write what is left; in vain it is tried for some seconds."""
        end = monotonic() + LAST_SECONDS
        while not await self.flush():
            if monotonic() > end:
                _log.error("the usage of %d calls is lost: the database did not take it", self.unwritten)
                return
            await asyncio.sleep(0.2)

    async def flush(self) -> bool:
        """Write what there is by now. Whether that is done; if not, it stays."""
        try:
            await self._write()  # what the last time was left
            self._batch, self._sums = [*self._sums.items()], {}
            await self._write()
        except StoreUnavailable as unavailable:
            self.failing = True
            self._complain(unavailable)
        else:
            if self.failing:
                _log.warning("the database takes usage again")
            self.failing = False
        self._told(self.unwritten if self.failing else 0)
        return not self.failing

    async def _write(self) -> None:
        if self._batch:
            await self._usage.add(self._writer, self._sequence, self._batch)
            self._batch = ()
            self._sequence += 1

    def _complain(self, unavailable: StoreUnavailable) -> None:
        if monotonic() - self._complained >= COMPLAIN_SECONDS:
            self._complained = monotonic()
            _log.error("usage cannot be written (%d calls so far): %s", self.unwritten, unavailable)


def _outcome(record: Record) -> Outcome:
    if record.failure is None:
        return "ok"
    return "left" if isinstance(record.failure, ClientLeft) else "failed"


def _name(model: str, alias: str, outcome: Outcome) -> str:
    """An upstream's name for a model: of those that a client made up itself only the ones that answered."""
    made_up = alias.endswith("/*") and outcome != "ok"
    return ANY if made_up or not model.isprintable() else model[:256]
