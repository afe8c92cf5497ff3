"""Shadows: a copy of a call, when it is over, to another model, whose answer nobody but the comparison sees."""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from time import perf_counter

from app.contracts import Call, Caller, Plan, Policy, Shadow
from app.errors import Failure, Stopping
from app.journal import Attempt, Reader, Record
from app.likeness import same_calls, same_json, similarity
from app.operations import Operation
from app.overheard import Overheard
from app.setup import Setup, Term
from app.spoken import Spoken, spoken
from app.store.shadows import MOST_CHARACTERS, Comparison, Side

_ONCE = Policy(retries=0, attempts=1, rescue=False)
_SPOKEN = frozenset({"chat", "completions", "responses", "messages"})
"""The dialects whose answers have a text."""

_log = logging.getLogger("hyperbridge")


class Shadowing:
    """Runs the shadows of one worker.

    `term` is the one in force, `readers` read the record of each shadow, `compared` gets what came of it. `told` hears
    of each by its name how it ended: `ok`, a failure's kind, or `skipped`.
    """

    def __init__(
        self,
        term: Callable[[], Term],
        readers: Sequence[Reader],
        compared: Callable[[Comparison], None],
        told: Callable[[str, str], None],
    ) -> None:
        self._term = term
        self._readers = readers
        self._compared = compared
        self._told = told
        self._running: Counter[str] = Counter()
        self._tasks: set[asyncio.Future[None]] = set()
        self._over = False

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Let shadows run until the block ends, and not a moment longer."""
        try:
            yield
        finally:
            self._over = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin(self, shadow: Shadow, call: Call, own: Record, heard: Overheard | None) -> None:
        """The client's call is over, its answer was heard: ask the shadow. Returns at once."""
        if self._over or _answering(own) is None:
            return
        if self._running[shadow.name] >= shadow.concurrent:
            self._told(shadow.name, "skipped")
            return
        self._running[shadow.name] += 1
        task = asyncio.ensure_future(self._run(shadow, call, own, heard))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(shadow.name, done))

    def _end(self, name: str, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        self._running[name] -= 1
        if not task.cancelled() and task.exception() is not None:
            _log.error("unexpected failure in the shadow of %s", name, exc_info=task.exception())

    async def _run(self, shadow: Shadow, call: Call, own: Record, heard: Overheard | None) -> None:
        with self._term() as setup:
            if shadow.route.upstream not in setup.sources:  # it was just taken out of the configuration
                self._told(shadow.name, "skipped")
                return
            record = Record(call.id, call.operation, perf_counter())
            record.streams = call.request.stream
            answer = await self._asked(setup, shadow, call, record)
        self._told(shadow.name, record.outcome)
        comparison = await asyncio.to_thread(_compared, shadow, (own, heard), (record, answer))
        self._compared(comparison)

    async def _asked(self, setup: Setup, shadow: Shadow, call: Call, record: Record) -> Overheard | None:
        """The shadow's whole answer; None where it gave none. What it used is read by all readers."""
        record.caller = Caller(shadow.route.alias, priority="batch")
        asked = replace(
            call,
            caller=record.caller,
            priority="batch",
            started=asyncio.get_running_loop().time(),
            timeout_seconds=None,
        )
        try:
            async with setup.exchange.aside(asked, Plan((shadow.route,), _ONCE), record) as answer:
                heard = Overheard(answer)
                while await heard.read():
                    pass
                return heard
        except Failure as failure:
            record.failure = failure.alone()
            return None
        except asyncio.CancelledError:
            record.failure = Stopping()
            raise
        finally:
            record.ended = perf_counter()
            for reader in self._readers:
                reader(record)


Heard = tuple[Record, Overheard | None]


def _compared(shadow: Shadow, own: Heard, other: Heard) -> Comparison:
    """What there is to say of two answers; it takes a while where they are long."""
    texts = [_spoken(*each) for each in (own, other)]
    sides = [
        _side(record, said, keeps_text=shadow.keep_text)
        for (record, _), said in zip((own, other), texts, strict=True)
    ]
    record = own[0]
    comparison = Comparison(
        secrets.token_hex(16), time.time(), shadow.name, record.operation.name, sides[0], sides[1]
    )
    one, two = texts
    if one is None or two is None:
        return comparison
    return replace(
        comparison,
        similarity=similarity(one.text, two.text),
        same_json=same_json(one.text, two.text),
        same_calls=same_calls(one, two),
    )


def _spoken(record: Record, heard: Overheard | None) -> Spoken | None:
    """What a good answer said, where it has a text and that is not too long."""
    attempt = _answering(record)
    body = heard.body if heard is not None else None
    if body is None or attempt is None or attempt.outcome != "ok" or not _has_text(record.operation):
        return None
    return spoken(body, record.operation.dialect, streams=record.streams)


def _has_text(operation: Operation) -> bool:
    return operation.dialect in _SPOKEN and operation.streams


def _side(record: Record, said: Spoken | None, *, keeps_text: bool) -> Side:
    attempt = _answering(record)
    assert attempt is not None
    began = attempt.sent_at or attempt.started
    timed = record.streams and attempt.first_content
    return Side(
        upstream=attempt.route.upstream,
        model=attempt.route.model,
        outcome=attempt.outcome,
        first_seconds=attempt.first_content - began if timed else None,
        seconds=attempt.ended - began if attempt.outcome == "ok" else None,
        input_tokens=attempt.usage.input_tokens,
        output_tokens=attempt.usage.output_tokens,
        nano_usd=attempt.nano_usd if attempt.priced else None,
        finish=record.finish,
        characters=0 if said is None else len(said.text),
        text=said.text[:MOST_CHARACTERS] if said is not None and keeps_text else None,
    )


def _answering(record: Record) -> Attempt | None:
    """The attempt that answered, else the last one; None where the client left, or nobody was asked."""
    good = [attempt for attempt in record.attempts if attempt.outcome == "ok"]
    last = (good or record.attempts)[-1:]
    return last[0] if last and last[0].outcome not in {"", "cancelled"} else None
