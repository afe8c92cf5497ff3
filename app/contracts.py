"""The values that flow through one exchange, and the seams they pass.

    bytes -> Request -> Call -> Permit -> Route, Route, ... -> Encoded -> Outbound -> Answer -> bytes

What flows is a frozen value; what acts has one method. Everything that can still become an HTTP status is
raised while a context is entered; after that an `Answer` is only read.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, get_args

from app.allowance import UNBOUNDED, Allowance
from app.breaker import Circuit
from app.decision import Decision, EncoderOutcome
from app.fleet.seen import FleetView
from app.operations import Operation
from app.outcomes import FallbackClass
from app.price_table import Price
from app.reading import Reading
from app.usage import Usage
from app.wire import Request

Headers = Sequence[tuple[bytes, bytes]]
"""Header lines, names in lower case."""

Priority: TypeAlias = Literal["interactive", "normal", "batch"]
"""Who goes first where calls wait for an upstream."""
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""The highest first."""


def lowered(asked: Priority, own: Priority) -> Priority:
    """The priority asked for, never above one's own."""
    return max(asked, own, key=PRIORITIES.index)


Thinking: TypeAlias = Literal["on", "off", "auto"]
"""Whether a model that can do both shall think before it answers; `auto` leaves it to the model."""


Layer: TypeAlias = Literal["off", "shadow", "safe", "codebook", "scenes", "focus", "hyper", "auto"]
"""How far a prompt may be said in fewer tokens: not at all; not at all, but what could be saved is measured; every
value as it was, with less syntax; whole phrases by codes as well; old turns of a long conversation as scenes; of passages
that were found for a question, those that bear on it; whole texts in the tokens that the model has for them; or as far as was
proved for the model.
"""
LAYERS: tuple[Layer, ...] = get_args(Layer)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a client asks of the gateway beside the model.

    A mode, presets and a prompt template with its variables by name; whether the model shall think (None: it does not
    say); a name by which the turns of one conversation are known; other models to fall back to; how far the prompt
    may be said in fewer tokens (None: it does not say); what sources are to be asked what bears on the question; and the
    session in which question and answer are to be remembered ("" is none).
    """

    mode: str = ""
    presets: Sequence[str] = ()
    template: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    thinking: Thinking | None = None
    conversation: str = ""
    models: Sequence[str] = ()
    scenes: Layer | None = None
    recall: Sequence[str] = ()
    remember: str = ""

    @property
    def is_of_manner(self) -> bool:
        """Whether the answer shall have another manner than the model's name gives it."""
        return bool(self.mode or self.presets or self.template or self.variables)


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a key, by its public id.

    `models` are the names the key may use; None is every model. `allowance` is what it may use at most, `priority` and
    `weight` its place where calls wait, `admin` whether it may manage keys. A short-lived key made from another one
    has that one's id and the `grant` that tells it apart, with what this grant may use at most; `user` is the one that
    it is bound to. `metadata` are what its owner noted beside the key.
    """

    id: str
    models: frozenset[str] | None = None
    allowance: Allowance = UNBOUNDED
    priority: Priority = "normal"
    weight: int = 1
    admin: bool = False
    grant: str = ""
    grant_allowance: Allowance = UNBOUNDED
    user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def may_use(self, model: str) -> bool:
        return self.models is None or model in self.models


@dataclass(frozen=True, slots=True)
class Vector:
    """What an encoder made of the user's last text, and how that went; no numbers where it made nothing of use.

    `seconds` is how long the call waited for it.
    """

    outcome: EncoderOutcome
    numbers: Sequence[float] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was put beneath a question: how many passages of each source, which sources did not answer, beneath how many older
    messages something stands, and how long the call waited.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    failed: Sequence[str] = ()
    kept: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request, by one caller, at one moment (`started`, on the event loop's clock in seconds).

    `timeout_seconds` is what the client gives it at most, `priority` its place where calls wait, `user` whom it names as
    its user ("" is nobody), `wishes` what it asks of the gateway itself. `vector` is there where an encoder was asked.
    """

    id: str
    operation: Operation
    request: Request
    caller: Caller
    headers: Headers
    started: float
    timeout_seconds: float | None = None
    priority: Priority = "normal"
    user: str = ""
    wishes: Wishes = NO_WISHES
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call may go: an upstream, its own name for the model, and why.

    `alias` is the configured name in front of it (`upstream/*` where a client named the upstream itself), so
    metrics never carry a name that only a client made up. `defaults` are members (JSON text) set in the request
    where the client sent none. `when` are the classes of failure that this route is taken for, where it is
    not the first; None is all of them. `thinking` and `scenes` are what is wanted where the client does not say
    (None: as the configuration has it for all). `codebook` is the name of the model's codebook, `hypertokens` that of the book
    whose tokens it has; where it has none, those of `spells` are told it in words ("" is none).
    """

    upstream: str
    model: str
    alias: str
    reason: str
    defaults: Mapping[str, bytes] = field(default_factory=dict)
    when: frozenset[FallbackClass] | None = None
    thinking: Thinking = "auto"
    scenes: Layer | None = None
    codebook: str = ""
    hypertokens: str = ""
    spells: str = ""


@dataclass(frozen=True, slots=True)
class Hedging:
    """A second attempt where the first is slow: after so many seconds (None: what 95 % of the answers take to
    their first content), for at most this share of the requests.
    """

    share: float = 0.05
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How far the gateway goes for one call.

    `retries` on one route, `attempts` in all (retries, fallbacks, hedges and rescues together), `timeout_seconds`
    for everything (None: what the first route's upstream allows). `rescue` continues a stream that broke.
    `max_prompt_tokens` is the longest prompt of the name, for whoever chooses it.
    """

    retries: int = 2
    attempts: int = 5
    timeout_seconds: float | None = None
    rescue: bool = True
    hedging: Hedging | None = None
    max_prompt_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A route that gets a copy of a name's call when it is over, at most so many at once; whether texts are kept."""

    name: str
    route: Route
    concurrent: int = 4
    keep_text: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The routes of one call, best first, at least one; and how far to go.

    `lens` is the text that the request's system text begins with; `decision` says how the routes were chosen, where
    there was a choice. `shadow` answers beside, and is compared.
    """

    routes: Sequence[Route]
    policy: Policy = Policy()
    lens: str = ""
    decision: Decision | None = None
    shadow: Shadow | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds in seconds: to connect, to the first content, between two reads, and for all of it."""

    connect: float = 5.0
    first_content: float = 120.0
    gap: float = 60.0
    total: float = 900.0


def _unheard() -> None:
    """Nobody asks."""


def _unread() -> Sequence[bytes]:
    """Nobody looks at the prompt."""
    return ()


@dataclass(frozen=True, slots=True)
class Placed:
    """Which replica of an upstream a call went to, why, and the version of the adapter that it asks for ("" is none)."""

    replica: str
    adapter: str = ""
    reason: str = ""


def _unasked(_: Placed) -> None:
    """Nobody asks."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """What an upstream is asked: the operation, the JSON body and the client's headers that may go there.

    `deadline` is the moment (event loop's clock) at which the whole call must have ended, `first_by` the one at
    which its first content must be here; `hurried` says that the client itself has set a time. `tried` are the
    replicas that this call has failed at. `keeps_text` says that the reading shall remember the text of the answer.
    `priority`, `caller` (its key's id) and `weight` are its place where calls wait; `hedge` says that it is a second
    attempt beside one that is slow. `prompt_tokens` and `answer_tokens` are how many it may take; 0 where that is not
    counted. `placed` is told which replica it goes to, `sent` when a server has the request. `prompt` tells the parts of the body that the model
    reads, in its order.
    """

    operation: Operation
    model: str
    body: bytes
    stream: bool
    headers: Headers
    deadline: float
    first_by: float = math.inf
    hurried: bool = False
    tried: frozenset[str] = frozenset()
    keeps_text: bool = False
    priority: Priority = "normal"
    caller: str = ""
    weight: int = 1
    hedge: bool = False
    prompt_tokens: int = 0
    answer_tokens: int = 0
    placed: Callable[[Placed], None] = _unasked
    sent: Callable[[], None] = _unheard
    prompt: Callable[[], Sequence[bytes]] = _unread

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.answer_tokens


class Answer(Protocol):
    """An upstream's answer with a success status; a stream has its first content at hand already."""

    @property
    def headers(self) -> Headers:
        """The headers that may reach the client, without length and encoding."""

    @property
    def streams(self) -> bool:
        """Whether the body is server-sent events."""

    @property
    def reading(self) -> Reading:
        """What was read in it so far."""

    async def read(self) -> bytes:
        """The next piece, b"" at the end: whole events of a stream, the whole body of a plain answer.

        Raises UpstreamFailure when the answer is cut or stalls.
        """


class Upstream(Protocol):
    """Something that answers. Wrappers (retrying, breaking, pacing) are upstreams too."""

    def open(self, outbound: Outbound) -> AbstractAsyncContextManager[Answer]:
        """Hold an answer; leaving the block lets go of it, whatever was read. Raises UpstreamFailure."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What an upstream says about one of its models; `parent` is the base of a LoRA adapter.

    `modalities` are what it takes (text, image, ...), `features` what it can (tools, ...) in the upstream's own words;
    both are empty where it does not say.
    """

    id: str
    parent: str | None = None
    context_tokens: int | None = None
    modalities: Sequence[str] = ()
    features: Sequence[str] = ()
    price: Price | None = None


WAIT_BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds in seconds of the buckets that waits for an upstream's budget are counted in."""

Dropped: TypeAlias = Literal["late", "expired", "full", "displaced", "hedge"]
"""Why a call was not let wait: it could not make it, its time was over while it waited, too many waited, one of a
higher priority took its place, or it was a second attempt, which is not worth it.
"""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long calls have waited: so many in each bucket of `WAIT_BOUNDS` and above, and the sum in seconds."""

    counts: Sequence[int]
    seconds: float

    def since(self, earlier: "Waits | None") -> "Waits":
        """Without those that were counted earlier."""
        if earlier is None:
            return self
        counts = [now - then for now, then in zip(self.counts, earlier.counts, strict=True)]
        return Waits(counts, self.seconds - earlier.seconds)


@dataclass(frozen=True, slots=True)
class Queue:
    """What is seen of the pacing towards one upstream: its limits a minute, how many wait, and, since the start, how
    long calls waited, how many were not let wait and why, and how many were served beyond the upstream's limit.
    """

    limits: Mapping[str, int]
    waiting: Mapping[Priority, int]
    waits: Mapping[Priority, Waits]
    dropped: Mapping[Dropped, int]
    over_limit: int


def _no_tokens(_: str) -> int | None:
    return None


def _no_queue() -> Queue | None:
    return None


def _as_named(model: str) -> str:
    return model


def _no_members(_: Call) -> Mapping[str, bytes]:
    return {}


class CannotStart(Exception):
    """An upstream cannot be started as it is configured; the message names the setting, for whoever starts it."""


@dataclass(frozen=True, slots=True)
class Source:
    """An upstream with what surrounds it: the operations it speaks and how long a call may take (seconds).

    `kind` is the configured one. `continues` says that it goes on with a message of the assistant's that ends the prompt.

    `models` lists what it has and so shows that it is there; `start` and `close` hold what it needs
    (`start` raises CannotStart); `connections` counts open ones; `circuits` shows those of its replicas, in the
    order of the configuration. `queue` shows who waits for its budget; `unbounded_tokens` says how many tokens an answer
    of this model without a bound is taken to have, None where its tokens are not counted. `resolved` tells the name that a
    model's name stands for now, `members` what it sets in every call's request (JSON text); `fleet` are its replicas, where it has
    adapters for them. `made_of` is equal where it would be made again as it is.
    """

    upstream: Upstream
    operations: frozenset[str]
    total_seconds: float
    models: Callable[[], Awaitable[Sequence[ModelCard]]]
    start: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    connections: Callable[[], int]
    kind: str = ""
    continues: bool = False
    circuits: Callable[[], Sequence[Circuit]] = tuple
    queue: Callable[[], Queue | None] = _no_queue
    unbounded_tokens: Callable[[str], int | None] = _no_tokens
    resolved: Callable[[str], str] = _as_named
    members: Callable[[Call], Mapping[str, bytes]] = _no_members
    fleet: FleetView | None = None
    made_of: object = field(default=None, repr=False)


class Permit(Protocol):
    """A reservation that a limiter granted; `headers` tell the client how much it has left.

    `plan` is what was admitted: without the routes under other names than the first whose own limits have no room.
    """

    @property
    def headers(self) -> Headers: ...

    @property
    def plan(self) -> Plan: ...

    def settle(self, name: str, usage: Usage, nano_usd: int) -> None:
        """Say what an attempt under this name used, and what it cost; the rest is refunded when the block is left."""


class Limiter(Protocol):
    def admit(self, call: Call, plan: Plan) -> AbstractAsyncContextManager[Permit]:
        """Hold a permit for this call, or raise a 429."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What a codec saved of a prompt: how many parts took which form, and the tokens of these parts before and after.

    `legend_tokens` is what a codebook's legend costs, and `epoch` the version of the book ("" is none). `why` says why less
    was tried than the layer has, in one word: what the request asks for beside, or `legend`, which would not pay.
    """

    layer: Layer
    forms: Mapping[str, int] = field(default_factory=dict)
    before: int = 0
    after: int = 0
    seconds: float = 0.0
    why: str = ""
    legend_tokens: int = 0
    epoch: str = ""

    @property
    def tokens(self) -> int:
        """Those of the prompt that are fewer; below 0 where the legend costs more than was saved."""
        return self.before - self.after - self.legend_tokens


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as the upstream shall see it, the way its answer becomes the client's again, and what that saved
    (None: nothing was tried).
    """

    request: Request
    decoder: "Decoder"
    saving: Saving | None = None


class Decoder(Protocol):
    def decode(self, answer: Answer) -> Answer:
        """The answer in the client's own words; the identity returns the answer itself."""


class Codec(Protocol):
    async def encode(self, call: Call, route: Route, request: Request) -> Encoded:
        """Encode on the way in; the way out is born here. `request` is the call's, or what was made of it."""
