"""Is the gateway well? Three states, the checks behind them, and what to do about each one that fails."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.breaker import Circuit
from app.circuit_metrics import Circuits
from app.inventory import Inventory, Stock
from app.metrics import resident_bytes

State = Literal["healthy", "degraded", "unhealthy"]

MAX_RESIDENT_BYTES = 1024**3
MAX_LAG_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `recommendation` says what to do where it is not healthy."""

    name: str
    state: State
    detail: str
    recommendation: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The whole: unhealthy where nothing can be answered, degraded where something cannot."""

    state: State
    checks: tuple[Check, ...]


class Doctor:
    """Examines one worker and what it depends on."""

    def __init__(
        self,
        inventory: Inventory,
        lost_log_lines: Callable[[], int],
        circuits: Callable[[], Circuits],
        redis_gone: Callable[[], bool],
        further: Callable[[], Sequence[Check]] = tuple,
    ) -> None:
        self._inventory = inventory
        self._lost_log_lines = lost_log_lines
        self._circuits = circuits
        self._redis_gone = redis_gone
        self._further = further

    async def examine(self) -> Health:
        stocks = await self._inventory.stocks()
        circuits = self._circuits()
        upstreams = tuple(_upstream(name, stock, circuits.get(name, ())) for name, stock in stocks.items())
        checks = (
            *upstreams,
            await _event_loop(),
            _memory(),
            self._log(),
            _limits(redis_gone=self._redis_gone()),
            *self._further(),
        )
        if upstreams and all(check.state == "unhealthy" for check in upstreams):
            return Health("unhealthy", checks)
        return Health("healthy" if all(check.state == "healthy" for check in checks) else "degraded", checks)

    def _log(self) -> Check:
        lost = self._lost_log_lines()
        if not lost:
            return Check("log", "healthy", "no line was lost")
        return Check(
            "log",
            "degraded",
            f"{lost} lines were lost",
            "Free space where logs.file is, or send logs elsewhere.",
        )


def _limits(*, redis_gone: bool) -> Check:
    if not redis_gone:
        return Check("limits", "healthy", "counted where the configuration says")
    return Check(
        "limits",
        "degraded",
        "Redis is gone, and this worker counts by itself",
        "See whether the server of redis.url runs, can be written, and lets this gateway in.",
    )


def _upstream(name: str, stock: Stock, circuits: Sequence[Circuit]) -> Check:
    check = _stocked(name, stock)
    if check.state == "unhealthy" or all(circuit.state == "closed" for circuit in circuits):
        return check
    states = [circuit.state for circuit in circuits]
    numbers = ", ".join(str(number) for number, state in enumerate(states) if state != "closed")
    return Check(
        check.name,
        "unhealthy" if set(states) == {"open"} else "degraded",
        f"{states.count('open')} of {len(states)} circuits open, {states.count('half-open')} half-open",
        f"Look at the log of upstreams.{name} (replica {numbers}, counted from 0): it failed too many calls or a health"
        " check, and is tried again by itself.",
    )


def _stocked(name: str, stock: Stock) -> Check:
    if stock.failure is None:
        return Check(f"upstream:{name}", "healthy", f"lists {len(stock.cards)} models")
    advice = {
        "credential_rejected": f"Check the api_key of upstreams.{name}: the upstream does not accept it.",
        "upstream_timeout": f"See whether the server of upstreams.{name} is overloaded or still loading.",
        "upstream_limited": f"upstreams.{name} limits its rate: wait, or raise its limit.",
    }.get(stock.failure.kind, f"See whether the server of upstreams.{name} runs and its url is right.")
    return Check(f"upstream:{name}", "unhealthy", stock.failure.message, advice)


async def _event_loop() -> Check:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await asyncio.sleep(0)
    lag = loop.time() - start
    if lag < MAX_LAG_SECONDS:
        return Check("event_loop", "healthy", f"answers within {lag * 1000:.1f} ms")
    return Check(
        "event_loop",
        "degraded",
        f"answers after {lag * 1000:.0f} ms",
        "Add workers or cores: requests are waiting.",
    )


def _memory() -> Check:
    resident = resident_bytes()
    detail = f"{resident // 1024**2} MiB resident"
    if resident < MAX_RESIDENT_BYTES:
        return Check("memory", "healthy", detail)
    return Check(
        "memory", "degraded", detail, "Restart this worker soon, and look which requests are that large."
    )
