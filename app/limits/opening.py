"""From the configuration to limits: what counts them, and the rules."""

from collections.abc import Callable
from typing import Protocol

from app import config
from app.limits.counters import Counters
from app.limits.memory import Memory
from app.limits.rules import Rule, Rules


class Counting(Counters, Protocol):
    """Counters from their start to their stop; `gone` says that the Redis that they are held in is."""

    @property
    def gone(self) -> bool: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def counters(settings: config.Config, workers: int, timed: Callable[[float], None]) -> Counting:
    """Counters in Redis where the file names one; else in this process, which then has its part of every limit.

    `timed` is told how long each answer of Redis took, in seconds.
    """
    if settings.redis.url is None:
        return Memory(1 / workers)
    from app.limits.shared import Shared  # noqa: PLC0415 - a gateway without Redis need not load its client
    from app.limits.surviving import Surviving  # noqa: PLC0415
    from app.redis_connection import connect  # noqa: PLC0415

    redis = settings.redis
    connection = connect(settings.redis.url.get_secret_value(), redis.timeout_seconds)
    shared = Shared(connection, redis.prefix, redis.timeout_seconds, timed)
    return Surviving(shared, settings.limits.offline_share / workers)


def rules(settings: config.Config) -> Rules:
    return Rules([Rule(rule.per, rule.allowance, frozenset(rule.models)) for rule in settings.limits.rules])
