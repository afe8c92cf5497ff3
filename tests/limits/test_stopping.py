"""A stop in the middle of a round trip: nobody waits for ever, nothing that is owed is lost, no task is left behind."""

import asyncio

import pytest

from app.limits.counters import Counter, Gone
from app.limits.shared import Shared
from app.limits.surviving import Surviving
from app.redis_connection import connect

TOKENS = Counter("stopping:tokens", "bucket", 1000)


def shared(redis) -> Shared:
    made = Shared(connect(redis.url, 5.0), "stopping", 5.0)
    made.start()
    return made


async def test_what_is_owed_while_a_stop_comes_is_settled(redis):
    for number in range(20):
        stopped = shared(redis)
        verdict = await stopped.take([(TOKENS, 900)], f"lease-{number}")
        assert verdict.refused is None
        stopped.give([(TOKENS, 900)], [0], f"lease-{number}", verdict)
        await asyncio.sleep(0)  # it is on its way
        await stopped.stop()


async def test_who_waits_for_an_answer_while_a_stop_comes_is_told(redis):
    stopped = shared(redis)
    waiting = asyncio.ensure_future(stopped.take([(TOKENS, 1)], "lease"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await stopped.stop()

    with pytest.raises(Gone, match="the gateway stops"):
        await asyncio.wait_for(waiting, 5)


async def test_after_a_stop_nobody_looks_for_redis():
    gone = Shared(connect("redis://127.0.0.1:1/0", 0.1), "stopping", 0.1)
    counters = Surviving(gone, 0.5)
    gone.start()
    await counters.stop()
    await counters.take([(TOKENS, 1)], "lease")
    await gone.stop()

    assert asyncio.all_tasks() == {asyncio.current_task()}
