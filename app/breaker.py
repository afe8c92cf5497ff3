"""A circuit breaker: stops asking a replica that keeps failing, and tries it with single calls before it is used again.

    closed --(too many failures)--> open --(time is over)--> half-open --(good probes)--> closed
                                      ^------(a bad probe)------/

Pure: moments are passed in, in seconds of any clock that does not go back.
"""

from dataclasses import dataclass
from typing import Literal

from app.window import Window

State = Literal["closed", "half-open", "open"]

MOST_GROWTH = 2
"""How many times `open_seconds` a circuit stays open at most, where one probe after the other fails. More would save
few probes, and leave a server that is well again alone for minutes.
"""

MISSES = 2
"""How many health checks in a row must fail."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a breaker bears: the share of failures at which it opens, over how many seconds and of how many outcomes
    at least; for how long it opens; how many probes in a row must be good.
    """

    error_rate: float = 0.5
    window_seconds: float = 30.0
    minimum: int = 10
    open_seconds: float = 15.0
    probes: int = 2


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is seen of a breaker: its state now, and how often it has opened."""

    state: State
    opened: int


class Breaker:
    """One replica's.

    Each call takes a ticket and gives its outcome back with it. A ticket from before the last change of state is
    void: what was begun then says nothing about now.
    """

    def __init__(self, tolerance: Tolerance, *, checked: bool = False) -> None:
        self._tolerance = tolerance
        self._window = Window(tolerance.window_seconds, 2)
        self._state: State = "closed"
        self._until = 0.0
        self._growth = 1
        self._ticket = self._oldest = 1
        self._probe = 0
        self._probe_until = 0.0
        self._good_probes = 0
        self._opened = 0
        self._missing = False
        # Who is checked is not trusted before the first check: one more that fails will do.
        self._misses = MISSES - 1 if checked else 0

    @property
    def doubted(self) -> bool:
        """Whether the last health check failed, or none was made yet."""
        return self._misses > 0

    def circuit(self, now: float) -> Circuit:
        state: State = "half-open" if self._state == "open" and now >= self._until else self._state
        return Circuit(state, self._opened)

    def admits(self, now: float) -> bool:
        """Whether a call would get a ticket."""
        if self._state == "open":
            return now >= self._until
        return not self._probe or now >= self._probe_until

    def seconds_left(self, now: float) -> float:
        """How long it will not admit a call, as far as is known; 0 where it admits one now, or may at any moment."""
        return max(self._until - now, 0.0) if self._state == "open" else 0.0

    def admit(self, now: float) -> int:
        """A ticket for one call; 0 where it may not be made. A probe that is never heard of again loses its place."""
        if not self.admits(now):
            return 0
        if self._state == "open":
            self._half_open()
        if self._state == "half-open":
            self._ticket += 1
            self._probe = self._ticket
            self._probe_until = now + self._open_seconds
        return self._ticket

    def succeed(self, ticket: int, now: float) -> None:
        """The call has its first content."""
        if ticket < self._oldest:
            return
        self._misses = 0
        if self._state == "closed":
            self._window.add(now, 1, 0)
            return
        self.release(ticket)
        self._good_probes += 1
        if self._good_probes >= self._tolerance.probes:
            self._close()

    def fail(self, ticket: int, now: float) -> None:
        """The call has failed, and that speaks against the replica."""
        self._count(ticket, now, calls=1)

    def fall(self, ticket: int, now: float) -> None:
        """The call succeeded, and failed after all: its answer broke."""
        self._count(ticket, now, calls=0)

    def release(self, ticket: int) -> None:
        """The call ended in a way that says nothing about the replica."""
        if ticket == self._probe:
            self._probe = 0

    def miss(self, now: float, seconds: float) -> None:
        """A health check failed; where that makes it open, it is for so long, unless another check says otherwise."""
        self._misses += 1
        if self._misses >= MISSES:
            self._missing = True
            self._open(now + max(seconds, self.seconds_left(now)))

    def find(self) -> None:
        """A health check was answered."""
        self._misses = 0
        if self._missing:
            self._half_open()

    @property
    def _open_seconds(self) -> float:
        return self._tolerance.open_seconds * self._growth

    def _count(self, ticket: int, now: float, *, calls: int) -> None:
        if ticket < self._oldest:
            return
        if self._state == "half-open":
            self._growth = min(self._growth * 2, MOST_GROWTH)
            self._open(now + self._open_seconds)
            return
        self._window.add(now, calls, 1)
        calls, failures = self._window.sums(now)
        outcomes = max(
            calls, failures
        )  # an answer that breaks is a failure now, of a call that may be long forgotten
        if outcomes >= self._tolerance.minimum and failures >= outcomes * self._tolerance.error_rate:
            self._open(now + self._open_seconds)

    def _open(self, until: float) -> None:
        self._opened += self._state != "open"
        self._until = until
        self._change("open")

    def _half_open(self) -> None:
        self._missing = False
        self._good_probes = 0
        self._change("half-open")
        if not self._tolerance.probes:
            self._close()

    def _close(self) -> None:
        self._growth = 1
        self._window = Window(self._tolerance.window_seconds, 2)
        self._change("closed")

    def _change(self, state: State) -> None:
        self._state = state
        self._probe = 0
        self._ticket += 1
        self._oldest = self._ticket
