"""The sixteen faults of Failover Bench (methodology 0.1), from their published description.

A fault passes where the caller got the whole answer (or, at S13, the upstream's own refusal) and every check holds,
the advisory ones too. The budget is the board's: two retries, one fallback, 30 s. The fallback answers from the
beginning whatever it is told, as the board's does.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
import orjson

from sim.seen import Seen
from sim.server import Twin

WORDS = 60
CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the faults last, in seconds; `full` is the board's, `fast` for a test."""

    first: float = 20.0
    stall_bound: float = 10.0
    token_gap: float = 0.015
    outage: float = 60.0
    requests: int = 24
    interval: float = 4.0
    recovery: float = 30.0
    open_seconds: float = 10.0


FULL = Pace()
FAST = Pace(3.0, 0.5, 0.005, 6.0, 10, 1.2, 4.0, 1.0)


@dataclass(frozen=True, slots=True)
class Result:
    """What the caller got, and what the upstream saw; moments on the event loop's clock."""

    status: int
    text: str
    whole: bool
    code: str | None
    model: str
    usage: bool
    seconds: float
    primary: Sequence[Seen]
    fallback: Sequence[Seen]

    @property
    def gap(self) -> float:
        """Seconds between the first two attempts at the primary."""
        return self.primary[1].came - self.primary[0].came if len(self.primary) > 1 else 0.0

    def within(self, seconds: float) -> int:
        """Attempts at the primary in so many seconds from the first."""
        return sum(seen.came - self.primary[0].came <= seconds for seen in self.primary)


Check = Callable[[Result, Pace], bool]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault: what the primary does (a script of the twin's), and what must hold."""

    id: str
    title: str
    script: str
    checks: dict[str, Check]
    fallback: str = "restart=1"
    rescued: Check = lambda result, _: result.whole


def _attempts(most: int) -> Check:
    return lambda result, _: len(result.primary) <= most


def _seconds(most: Callable[[Pace], float]) -> Check:
    return lambda result, pace: result.seconds <= most(pace)


SCENARIOS = (
    Scenario(
        "S01",
        "429 with Retry-After",
        "status=429&retry_after=2&fail=1",
        {
            "retried": lambda result, _: len(result.primary) == 2,
            "Retry-After honoured": lambda result, _: result.gap >= 1.8,
            "no hammering": lambda result, _: result.within(1.5) <= 2,
        },
    ),
    Scenario(
        "S02",
        "429 without Retry-After, persistent",
        "status=429",
        {"no hammering": lambda result, _: result.within(3) <= 4, "bounded attempts": _attempts(6)},
    ),
    Scenario(
        "S03",
        "500 once, then healthy",
        "status=500&fail=1",
        {"retried at the same upstream": lambda result, _: len(result.primary) == 2},
    ),
    Scenario("S04", "503, persistent", "status=503", {"bounded attempts": _attempts(6)}),
    Scenario("S05", "TCP reset before the head", "reset=1&fail=1", {}),
    Scenario(
        "S06",
        "no response at all",
        "head=3600",
        {
            "within the budget": _seconds(lambda pace: 10 * pace.stall_bound),
            "a silent route is not asked again": _attempts(1),
        },
    ),
    Scenario(
        "S07",
        "slow first token",
        "first={pace.first}",
        {"a bound for the first token": _seconds(lambda pace: 0.75 * pace.first)},
    ),
    Scenario("S08", "stream cut", "cut=40", {}),
    Scenario("S09", "stream stalls", "stall=20", {"bounded": _seconds(lambda pace: 4.5 * pace.stall_bound)}),
    Scenario("S10", "malformed event", "malformed=10", {}),
    Scenario(
        "S11",
        "no [DONE]",
        "done=0",
        {"ends promptly": _seconds(lambda _: 8), "usage": lambda result, _: result.usage},
    ),
    Scenario(
        "S12",
        "context length exceeded",
        "status=400&code=context_length_exceeded",
        {"not asked again": _attempts(1)},
    ),
    Scenario(
        "S13",
        "content filter",
        "status=400&code=content_policy_violation",
        {
            "not asked again": _attempts(1),
            "not routed around": lambda result, _: not result.fallback,
        },
        rescued=lambda result, _: (result.status, result.code) == (400, "content_policy_violation"),
    ),
    Scenario(
        "S14",
        "stream cut, and the fallback rejects prefill",
        "cut=40",
        {"the refusal is not the answer": lambda result, _: result.code is None},
        fallback="prefill=reject&restart=1",
    ),
    Scenario(
        "S16",
        "accounting after a failover",
        "status=503",
        {
            "the fallback's model is told": lambda result, _: result.model.startswith("answers"),
            "usage": lambda result, _: result.usage,
            "bounded attempts": _attempts(6),
        },
    ),
)
"""All but S15, which is a sequence of requests."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one scenario went; `failed` names the checks that did not hold."""

    id: str
    title: str
    failed: Sequence[str]
    primary_attempts: int
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.failed


def configuration(url: str, pace: Pace) -> str:
    """The gateway's configuration: an upstream of its own for each scenario, so that no circuit is shared."""
    upstreams, models = [], []
    bounds = f"{{connect: 2, first_content: {pace.stall_bound}, gap: {pace.stall_bound}, total: 30}}"
    for scenario in (*SCENARIOS, _flap(pace)):
        name = scenario.id.lower()
        script = scenario.script.format(pace=pace)
        answer = f"chunks={WORDS}&gap={pace.token_gap}"
        breaker = f"{{minimum: 3, open_seconds: {pace.open_seconds}}}"
        upstreams.append(
            f'  {name}: {{kind: openai, url: "{url}", timeouts: {bounds}, breaker: {breaker}}}\n'
            f'  {name}-other: {{kind: openai, url: "{url}", timeouts: {bounds}}}'
        )
        models.append(
            f'  {name}: {{upstream: {name}, model: "{name}?{answer}&{script}", timeout_seconds: 30, '
            f'fallbacks: ["{name}-other/answers-{name}?{answer}&{scenario.fallback}"]}}'
        )
    return "\n".join(["upstreams:", *upstreams, "models:", *models, ""])


async def run(url: str, twin: Twin, pace: Pace) -> list[Verdict]:
    """All sixteen through the gateway at this URL, side by side."""
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        verdicts = await asyncio.gather(
            *(_one(client, twin, scenario, pace) for scenario in SCENARIOS), _sequence(client, twin, pace)
        )
    return sorted(verdicts, key=lambda verdict: verdict.id)


async def _one(client: httpx.AsyncClient, twin: Twin, scenario: Scenario, pace: Pace) -> Verdict:
    result = await _ask(client, twin, scenario.id.lower())
    failed = [name for name, check in scenario.checks.items() if not check(result, pace)]
    if not scenario.rescued(result, pace):
        failed.insert(0, "rescued")
    return Verdict(scenario.id, scenario.title, failed, len(result.primary), result.seconds)


async def _ask(client: httpx.AsyncClient, twin: Twin, model: str) -> Result:
    loop = asyncio.get_running_loop()
    start = loop.time()
    body = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "Say sixty words."}],
    }
    answer = await client.post(CHAT, json=body)
    chunks = [orjson.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
    if answer.status_code != 200:
        chunks = [answer.json()]
    errors = [chunk["error"] for chunk in chunks if "error" in chunk]
    choices = [choice for chunk in chunks for choice in chunk.get("choices") or ()]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    return Result(
        status=answer.status_code,
        text=text,
        whole=not errors and text.split() == [f"word{number}" for number in range(WORDS)],
        code=errors[0]["code"] if errors else None,
        model=next((chunk["model"] for chunk in reversed(chunks) if "model" in chunk), ""),
        usage=any(chunk.get("usage") for chunk in chunks),
        seconds=loop.time() - start,
        primary=_seen(twin, f"{model}?", start),
        fallback=_seen(twin, f"answers-{model}?", start),
    )


def _seen(twin: Twin, name: str, since: float) -> list[Seen]:
    return [seen for seen in twin.seen if seen.model.startswith(name) and seen.came >= since]


def _flap(pace: Pace) -> Scenario:
    return Scenario("S15", "the primary flaps", f"status=503&flap={pace.outage},3600", {})


async def _sequence(client: httpx.AsyncClient, twin: Twin, pace: Pace) -> Verdict:
    """S15: down for a while, then healthy; one request at each interval."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    results: list[tuple[float, Result]] = []
    for number in range(pace.requests):
        await asyncio.sleep(start + number * pace.interval - loop.time())
        results.append((loop.time() - start, await _ask(client, twin, "s15")))
    during = [result for at, result in results if at < pace.outage]
    returned = [at for at, result in results if at >= pace.outage and not result.model.startswith("answers")]
    attempts = sum(len(result.primary) for result in during)
    checks = {
        "served during the outage": all(result.whole for _, result in results),
        "back at the primary": bool(returned) and returned[0] <= pace.outage + pace.recovery,
        "the circuit opened": attempts < len(during) * 3,
    }
    failed = [name for name, holds in checks.items() if not holds]
    return Verdict("S15", _flap(pace).title, failed, attempts, loop.time() - start)
