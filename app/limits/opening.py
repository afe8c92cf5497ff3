"""From the configuration to limits: what counts them, and the rules."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app import config
from app.limits.counters import Counters
from app.limits.memory import Memory
from app.limits.rules import Rule, Rules


@dataclass(frozen=True, slots=True)
class Opening:
    """Counters from their start to their stop: `limits` are those of callers, `budgets` those of upstreams.

    They are the same while Redis answers. While it is gone, nobody may be admitted without it where the file says so;
    but upstreams are asked all the same, by each worker's part of their budgets.
    """

    limits: Counters
    budgets: Counters
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    gone: Callable[[], bool]
    """Whether the Redis that they are held in is."""


def counters(settings: config.Config, workers: int, timed: Callable[[float], None]) -> Opening:
    """Counters in Redis where the file names one; else in this process, which then has its part of every limit.

    `timed` is told how long each answer of Redis took, in seconds.
    """
    if settings.redis.url is None:
        memory = Memory(1 / workers)
        return Opening(memory, memory, _nothing, _nothing, lambda: False)
    return _shared(settings, settings.redis.url.get_secret_value(), workers, timed)


def _shared(settings: config.Config, url: str, workers: int, timed: Callable[[float], None]) -> Opening:
    from app.limits.shared import Shared  # noqa: PLC0415 - a gateway without Redis need not load its client
    from app.limits.surviving import Surviving  # noqa: PLC0415
    from app.redis_connection import connect  # noqa: PLC0415

    redis = settings.redis
    shared = Shared(connect(url, redis.timeout_seconds), redis.prefix, redis.timeout_seconds, timed)
    limits = Surviving(shared, settings.limits.offline_share / workers)
    budgets = Surviving(shared, 1 / workers, quiet=True)

    async def start() -> None:
        shared.start()
        await limits.start()
        await budgets.start()

    async def stop() -> None:
        await limits.stop()
        await budgets.stop()
        await shared.stop()

    return Opening(limits, budgets, start, stop, lambda: limits.gone)


async def _nothing() -> None:
    """Memory needs no start and no stop."""


def rules(settings: config.Config) -> Rules:
    return Rules([Rule(rule.per, rule.allowance, frozenset(rule.models)) for rule in settings.limits.rules])
