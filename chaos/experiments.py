"""The experiments by name: each runs, says how far it is, and gives what it has found."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from chaos import conservation, deadline, failover, limits, pacing, reload, soak
from chaos.findings import Finding
from chaos.redis_server import redis_server
from chaos.serving import gateway_of, twin

PLANS = 300
CALLS = 1000
SOAK_CALLS = 50_000


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: the seed of all that is random, the calls of the soak, and who hears of the progress."""

    seed: int
    soak_calls: int
    said: Callable[[str], None]


Experiment = Callable[[Order], Coroutine[Any, Any, Sequence[Finding]]]


async def _failover(order: Order) -> Sequence[Finding]:
    order.said("failover: sixteen faults side by side, for about two minutes")
    with TemporaryDirectory() as folder:
        async with twin() as (upstream, url):
            settings = failover.configuration(url, failover.FULL)
            async with gateway_of(settings, Path(folder)) as gateway:
                verdicts = await failover.run(gateway.url, upstream, failover.FULL)
    failed = [f"{each.id} {each.title}: {', '.join(each.failed)}" for each in verdicts if not each.passed]
    measured = f"{len(verdicts) - len(failed)} of {len(verdicts)}"
    return [
        Finding("The faults of Failover Bench pass, their advisory checks too", measured, not failed, failed)
    ]


async def _deadline(order: Order) -> Sequence[Finding]:
    random = Random(order.seed)
    tried: list[deadline.Tried] = []
    while len(tried) < PLANS:
        tried += await deadline.batch(random)
        order.said(f"deadline: {len(tried)} of {PLANS} plans")
    return deadline.findings(tried)


async def _conservation(order: Order) -> Sequence[Finding]:
    order.said(f"conservation: {CALLS} calls")
    return conservation.findings(await conservation.storm(Random(order.seed), CALLS))


async def _soak(order: Order) -> Sequence[Finding]:
    return soak.findings(await soak.soak(Random(order.seed), order.soak_calls, order.said))


async def _limits(order: Order) -> Sequence[Finding]:
    return [*await limits.hammered(said=order.said), *await limits.ill_treated(order.said)]


async def _pacing(order: Order) -> Sequence[Finding]:
    load = pacing.Load()
    order.said(f"pacing: four loads of {load.seconds:.0f} s each")
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as redis:
        return pacing.findings(
            await pacing.naive(load),
            await pacing.paced(load),
            await pacing.paced(load, 2, redis.url),
            await pacing.paced(pacing.TOKENS),
        )


async def _reload(order: Order) -> Sequence[Finding]:
    order.said("reload: an alias changes while two workers answer, for about ten seconds")
    return reload.findings(await reload.swap(), await reload.lateness())


EXPERIMENTS: Mapping[str, Experiment] = {
    "failover": _failover,
    "deadline": _deadline,
    "conservation": _conservation,
    "limits": _limits,
    "pacing": _pacing,
    "reload": _reload,
    "soak": _soak,
}
