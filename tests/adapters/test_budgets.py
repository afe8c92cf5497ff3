"""What is counted of an upstream's budget, to the last request, by a clock that stands still."""

import asyncio
import math

import pytest

from adapters.budgets import Allowed, Budget, Ration
from app.limits.counters import Counter
from app.limits.memory import Memory
from app.pace import REFUSED_SHARE
from app.ratelimit_headers import Level, Limits
from tests.support.clock import stopped


def counting(share: float = 1.0) -> Memory:
    return Memory(share, asyncio.get_running_loop().time)


def budget(memory: Memory, **allowed) -> Budget:
    return Budget(Allowed("up", **allowed), "", memory, lambda: None)


async def used(memory: Memory, limit: int, measure: str = "requests") -> float:
    return (await memory.take([(Counter(f"upstream:up:{measure}", "bucket", limit), 0)], "looking")).used[0]


async def taken(budget: Budget, tokens: int = 0) -> Ration | None:
    return await budget.take(budget.demands(tokens))


async def take(budget: Budget, calls: int) -> int:
    """How many of these calls were let go."""
    return sum([await taken(budget) is not None for _ in range(calls)])


async def hear(budget: Budget, limit: int, remaining: int | None = None) -> None:
    """An answer that was asked for now says so; the other workers are told."""
    said = Limits(requests=Level(limit, remaining))
    budget.hear(said, asyncio.get_running_loop().time(), budget.granted)
    if budget._agreeing is not None:
        await budget._agreeing


@stopped
async def test_a_limit_that_shrinks_takes_nothing_of_what_is_left():
    memory = counting()
    worker = budget(memory, requests=60)
    await hear(worker, 60)
    assert await take(worker, 50) == 50

    await hear(worker, 40, 20)

    assert await used(memory, 40) == 30
    assert await take(worker, 20) == 10


@stopped
async def test_that_is_so_for_the_first_limit_that_is_told_too():
    memory = counting()
    worker = budget(memory, requests=60)
    assert await take(worker, 50) == 50

    await hear(worker, 40, 20)

    assert await used(memory, 40) == 30


@stopped
async def test_a_limit_that_shrinks_below_what_is_left_leaves_all_of_it():
    memory = counting()
    worker = budget(memory, requests=60)
    assert await take(worker, 5) == 5

    await hear(worker, 40)

    assert await take(worker, 60) == 40


@stopped
async def test_what_the_upstream_says_is_used_of_a_smaller_limit_counts():
    memory = counting()
    worker = budget(memory, requests=60)
    assert await take(worker, 50) == 50

    await hear(worker, 40, 3)

    assert await used(memory, 40) == 37


@pytest.mark.parametrize(("limit", "count"), [(40, 30), (72, 62)])
@stopped
async def test_another_limit_is_one_step_however_many_are_told(limit, count):
    memory = counting()
    workers = [budget(memory, requests=60) for _ in range(3)]
    for worker in workers:
        await hear(worker, 60)
    assert await take(workers[0], 50) == 50

    await asyncio.gather(*(hear(worker, limit) for worker in workers * 2))

    assert await used(memory, limit) == count


@stopped
async def test_a_limit_that_goes_down_and_up_again_leaves_what_was_left():
    memory = counting()
    worker = budget(memory, requests=60)
    await hear(worker, 60)
    assert await take(worker, 50) == 50

    for limit in (40, 60, 50):
        await hear(worker, limit)

    assert await used(memory, 50) == 40


@stopped
async def test_who_counts_alone_has_its_part_of_a_limit_that_shrinks():
    memory = counting(share=0.5)
    worker = budget(memory, requests=60)
    assert await take(worker, 50) == 30

    await hear(worker, 40)

    assert await used(memory, 40) == 20
    await asyncio.sleep(3)
    assert await take(worker, 20) == 1


@stopped
async def test_older_news_do_not_bring_an_older_limit_back():
    memory = counting()
    worker = budget(memory, requests=60)
    before = asyncio.get_running_loop().time() - 1
    await hear(worker, 40)

    worker.hear(Limits(requests=Level(60)), before, 0)

    assert worker.limit("requests") == 40
    assert worker._agreeing is None


@stopped
async def test_what_others_use_is_counted_once_however_many_are_told():
    memory = counting()
    workers = [budget(memory, requests=60) for _ in range(3)]
    assert await take(workers[0], 10) == 10

    for worker in workers * 2:
        await hear(worker, 60, 15)

    assert await used(memory, 60) == 45


@pytest.mark.parametrize("refusals", [1, 2])
@stopped
async def test_calls_that_become_dearer_take_that_much_more_of_the_budget(refusals):
    memory = counting()
    worker = budget(memory, requests=1000)
    for _ in range(refusals):
        await asyncio.sleep(2**-20)
        worker.settle(await refused(worker), 0, sent=False)
    before = await used(memory, 1000)

    assert await take(worker, 95) == 95

    assert await used(memory, 1000) - before == math.floor(95 / REFUSED_SHARE**refusals)


async def refused(worker: Budget) -> Ration:
    """A call that met a 429 which does not say for how long; it is not given back yet."""
    ration = await taken(worker)
    assert ration is not None
    worker._caution.refuse(ration.asked, ration.asked)
    return ration


@pytest.mark.parametrize(
    ("tokens", "sent", "left"), [(7, True, (1, 7)), (0, True, (1, 0)), (7, False, (0, 0))]
)
@stopped
async def test_what_a_call_did_not_use_is_given_back(tokens, sent, left):
    memory = counting()
    worker = budget(memory, requests=60, tokens=1000)
    ration = await taken(worker, 100)
    assert ration is not None
    assert (await used(memory, 60), await used(memory, 1000, "tokens")) == (1, 100)

    worker.settle(ration, tokens, sent=sent)

    assert (await used(memory, 60), await used(memory, 1000, "tokens")) == left
    assert worker.granted == sent


@stopped
async def test_a_pause_lets_one_more_go_when_it_is_over():
    memory = counting()
    worker = budget(memory, requests=60)
    ration = await taken(worker)
    assert ration is not None

    worker.refuse(ration, 5.0)

    assert await used(memory, 60) == 64
    assert not await take(worker, 1)
    assert worker.ready == asyncio.get_running_loop().time() + 5
    await asyncio.sleep(5)
    assert await take(worker, 2) == 1
