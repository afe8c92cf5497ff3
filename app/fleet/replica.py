"""A replica as a choice sees it: what it has to do, how fast it is, and what it has at hand.

All of it is counted here, at the moment a call is sent, begins to answer and ends: what a server tells of itself is a second old,
and a second is enough for every gateway to send its calls to the same idle replica.
"""

from dataclasses import dataclass, field

from app.fleet.prefixes import NO_BLOCKS, Blocks
from app.fleet.residency import Level, Residency

SMOOTHING = 0.2
"""Weight of the newest measurement in a moving average."""

FULL_KV = 0.95
"""Above this share of its KV cache a replica preempts what it is answering."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a choice needs to know of a call: the adapter's versioned name ("" is the base model), and its prompt. Of the candidates,
    the first `homes` are where the adapter's calls belong; None is all of them.
    """

    adapter: str = ""
    blocks: Blocks = NO_BLOCKS
    homes: int | None = None


@dataclass(slots=True)
class Costs:
    """What things take on a replica, measured as it goes: moving averages, in tokens a second and in seconds."""

    prefill_tokens_per_second: float = 5000.0
    disk_seconds: float = 0.5
    memory_seconds: float = 0.02
    service_seconds: float = 2.0

    def load_seconds(self, level: Level) -> float:
        """How long the engine stands still until an adapter from there can be used."""
        return 0.0 if level == "gpu" else self.memory_seconds if level == "cpu" else self.disk_seconds

    def loaded(self, seconds: float) -> None:
        """An adapter was read from disk in this time."""
        self.disk_seconds += SMOOTHING * (seconds - self.disk_seconds)

    def served(self, seconds: float) -> None:
        self.service_seconds += SMOOTHING * (seconds - self.service_seconds)

    def prefilled(self, tokens: int, seconds: float) -> None:
        """A prompt that waited for nothing was read in this time."""
        if seconds > 0:
            speed = tokens / seconds
            self.prefill_tokens_per_second += SMOOTHING * (speed - self.prefill_tokens_per_second)


@dataclass(slots=True)
class Busy:
    """The calls of one adapter that a replica is answering, and when the last of them was sent."""

    calls: int
    newest: float


@dataclass(slots=True, eq=False)
class Sent:
    """A call at a replica, until it ends."""

    replica: "Replica"
    adapter: str
    uncached: int
    began: float
    alone: bool
    level: Level
    answering: bool = False


@dataclass(slots=True, eq=False)
class Replica:
    """`place` is its bit in the index of prefixes. `others` are calls that other gateways have there, as it told last.

    One that is `apart` gives calls of the base model an adapter's answers where both are in a batch (vLLM 0.32 on processors
    does): there calls of the base and of adapters are never answered at once.
    """

    name: str
    place: int
    residency: Residency
    max_loras: int = 1
    most_calls: int | None = None
    costs: Costs = field(default_factory=Costs)
    pending_tokens: int = 0
    in_flight: int = 0
    calls: int = 0
    kv_usage: float = 0.0
    others: int = 0
    crowd: float = 1.0
    """How much each token that is to be read weighs: it keeps (in-flight + 1) calls waiting, and more where memory is short."""
    busy: dict[str, Busy] = field(default_factory=dict)
    apart: bool = False
    kept_for: str | None = None
    """The adapter ("" is the base) that the next free slot is for."""
    yielding: frozenset[str] = frozenset()
    """Those that get no new calls until it has it."""

    def begin(self, asked: Asked, cached: int, now: float) -> Sent:
        """A call is sent to it."""
        uncached = max(1, asked.blocks.tokens - cached)
        alone = self.in_flight == 0
        level: Level = "gpu"
        self.in_flight += 1
        self.calls += 1
        self.pending_tokens += uncached
        if asked.adapter:
            level = self.residency.use(asked.adapter)
            busy = self.busy.get(asked.adapter)
            if busy is None:
                self.busy[asked.adapter] = Busy(1, now)
            else:
                busy.calls += 1
                busy.newest = now
        self.weigh()
        return Sent(self, asked.adapter, uncached, now, alone, level)

    def answered(self, sent: Sent, now: float) -> None:
        """Its first content is here: its prompt has been read."""
        if sent.answering:
            return
        sent.answering = True
        self.pending_tokens -= sent.uncached
        if sent.alone and sent.level == "gpu":
            self.costs.prefilled(sent.uncached, now - sent.began)

    def end(self, sent: Sent, now: float) -> None:
        """It is over, well or not."""
        if not sent.answering:
            self.pending_tokens -= sent.uncached
        else:
            self.costs.served(now - sent.began)
        self.in_flight -= 1
        if sent.adapter:
            busy = self.busy[sent.adapter]
            busy.calls -= 1
            if not busy.calls:
                del self.busy[sent.adapter]
        self.weigh()

    def told(self, kv_usage: float, in_flight: int) -> None:
        """What the server said of itself: the share of its KV cache in use, and how many calls it has from everyone."""
        self.kv_usage = kv_usage
        self.others = max(0, in_flight - self.in_flight)
        self.weigh()

    def weigh(self) -> None:
        self.crowd = (self.in_flight + self.others + 1) * (1 + 2 * self.kv_usage * self.kv_usage)

    def has_room(self, adapter: str) -> bool:
        """Whether a call of this adapter would begin at once: there is room for it, and a slot for its adapter."""
        if self.most_calls is not None and self.in_flight >= self.most_calls:
            return False
        if self.kept_for is not None and adapter != self.kept_for:
            is_new = bool(adapter) and adapter not in self.busy
            if is_new or adapter in self.yielding:
                return False
        return not self.waits_for_others(adapter)

    def keep_slot(self, adapter: str) -> None:
        """The next slot that is free is for this adapter. The one with the fewest calls makes room, by getting no more of them:
        all others go on.
        """
        yielding: set[str] = set()
        if self.apart:
            yielding |= {""} if adapter else set(self.busy)
        if adapter and adapter not in self.busy and len(self.busy) >= self.max_loras:
            yielding.add(min(self.busy, key=lambda name: self.busy[name].calls))
        self.kept_for, self.yielding = adapter, frozenset(yielding)

    def let_go(self) -> None:
        """No slot is kept any more."""
        self.kept_for, self.yielding = None, frozenset()

    @property
    def base_calls(self) -> int:
        """Calls of the base model that it is answering."""
        return self.in_flight - sum(busy.calls for busy in self.busy.values())

    def waits_for_others(self, adapter: str) -> bool:
        """Whether a call of this adapter would have to wait until calls of others have ended."""
        if not adapter:
            return self.apart and bool(self.busy)
        if self.apart and self.base_calls:
            return True
        return adapter not in self.busy and len(self.busy) >= self.max_loras

    def slot_seconds(self, now: float) -> float:
        """How long until an adapter's slot is free, about: until the calls of one of them have taken what a call takes."""
        service = self.costs.service_seconds
        return max(
            min((busy.newest + service - now for busy in self.busy.values()), default=service),
            0.1 * service,
        )
