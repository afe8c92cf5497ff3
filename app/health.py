"""Is the gateway well? Three states, the checks behind them, and what to do about each one that fails."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

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

    def __init__(self, inventory: Inventory, lost_log_lines: Callable[[], int]) -> None:
        self._inventory = inventory
        self._lost_log_lines = lost_log_lines

    async def examine(self) -> Health:
        upstreams = _upstreams(await self._inventory.stocks())
        checks = (*upstreams, await _event_loop(), _memory(), self._log())
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


def _upstreams(stocks: Mapping[str, Stock]) -> tuple[Check, ...]:
    return tuple(_upstream(name, stock) for name, stock in stocks.items())


def _upstream(name: str, stock: Stock) -> Check:
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
