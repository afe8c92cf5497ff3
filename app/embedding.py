"""What the router's encoder makes of a call's text, where there is need of it: in time, or not at all."""

import asyncio
import math
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from time import perf_counter
from typing import TypeAlias

from app.breaker import Breaker, Tolerance
from app.contracts import Call, Vector
from app.decision import EncoderOutcome
from app.encoder import Encoder
from app.errors import Failure, UpstreamTimeout
from app.journal import Record
from app.outcomes import counts

MOST_KEPT = 1000
"""Vectors that are remembered: 4 MB of them, where they have 1,024 dimensions."""
MOST_ASKING = 64
"""Calls that wait for the encoder at once; the others go without."""
OF_CLIENT = 0.5
"""The share that the encoder may take of a client's own time."""

_Made: TypeAlias = tuple[EncoderOutcome, Sequence[float]]


class Embedding:
    """Gives calls their vectors. No failure of the encoder is one of the call.

    `question` says what text of a call to read, "" is none; `dimensions` are those that a vector must have. An encoder that
    keeps failing is left alone for a while, so that not every call waits in vain. Texts are not kept, but a hash of each,
    whose key nobody knows; and a caller cannot tell what another one has asked.
    """

    def __init__(
        self, question: Callable[[Call], str], encoder: Encoder, dimensions: int, timeout_seconds: float
    ) -> None:
        self._question = question
        self._encoder = encoder
        self._dimensions = dimensions
        self._timeout_seconds = timeout_seconds
        self._breaker = Breaker(Tolerance())
        self._kept: OrderedDict[bytes, Sequence[float]] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._asking = 0

    async def seen(self, call: Call, record: Record) -> Call:
        """The call, with its vector where one would help to choose; the record is told how that went."""
        text = self._question(call)
        if not text:
            return call
        began = perf_counter()
        outcome, numbers = await self._made(text, call)
        vector = Vector(outcome, numbers, perf_counter() - began)
        record.encoded = replace(vector, numbers=())
        return replace(call, vector=vector)

    async def _made(self, text: str, call: Call) -> _Made:
        key = self._key(text, call.caller.id)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return "kept", kept
        if self._asking >= MOST_ASKING:
            return "busy", ()
        self._asking += 1
        try:
            outcome, numbers = await self._asked(text, call)
        finally:
            self._asking -= 1
        if numbers:
            self._keep(key, numbers)
        return outcome, numbers

    async def _asked(self, text: str, call: Call) -> _Made:
        now = asyncio.get_running_loop().time
        ticket = self._breaker.admit(now())
        if not ticket:
            return "resting", ()
        seconds = min(self._timeout_seconds, (call.timeout_seconds or math.inf) * OF_CLIENT)
        try:
            numbers = await self._vector(text, call, seconds)
        except Failure as failure:
            is_late = isinstance(failure, UpstreamTimeout)
            is_hurried = is_late and seconds < self._timeout_seconds
            if counts(failure) and not is_hurried:
                self._breaker.fail(ticket, now())
            return "late" if is_late else "failed", ()
        except ValueError:
            self._breaker.fail(ticket, now())
            return "unfit", ()
        finally:
            self._breaker.release(ticket)
        self._breaker.succeed(ticket, now())
        return "asked", numbers

    async def _vector(self, text: str, call: Call, seconds: float) -> Sequence[float]:
        [numbers] = await self._encoder.vectors([text], call, seconds)
        if len(numbers) != self._dimensions:
            raise ValueError(f"a vector of {len(numbers)} dimensions")
        return numbers

    def _key(self, text: str, caller: str) -> bytes:
        digest = blake2b(caller.encode() + b"\0", digest_size=16, key=self._secret)
        digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def _keep(self, key: bytes, numbers: Sequence[float]) -> None:
        self._kept[key] = numbers
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
