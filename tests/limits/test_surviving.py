"""Redis killed, frozen, emptied and started again while calls are admitted."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

import pytest

from app.errors import LimitsUnknown
from app.limits.counters import Counter, Verdict
from app.limits.shared import Change, Shared
from app.limits.surviving import Surviving
from app.redis_connection import connect
from chaos.redis_server import Server, redis_server
from tests.support.waiting import eventually

HOUR = Counter("requests:hour:key:a", "bucket", 100, "hour")
DAY = Counter("usd:day:key:a", "window", 10**9, "day")
SLOTS = Counter("calls:key:a", "slots", 5)
HANG_SECONDS = 0.3
BACK_SECONDS = 2.0


@pytest.fixture
def server(tmp_path):
    with redis_server(tmp_path) as running:
        yield running


async def surviving(server: Server, share: float = 0.5) -> Surviving:
    shared = Shared(connect(server.url, 0.1), "test", 0.1)
    shared.start()
    made = Surviving(shared, share)
    await made.start()
    return made


async def stop(*all_counters: Surviving) -> None:
    for each in all_counters:
        await each.stop()
        await each._shared.stop()


@pytest.fixture
async def counters(server) -> AsyncGenerator[Surviving]:
    made = await surviving(server)
    yield made
    await stop(made)


async def ask(counters: Surviving, times: int, *demanded: Counter) -> tuple[Sequence[Verdict], float]:
    """So many calls at once, and how long the slowest took."""
    slowest = 0.0

    async def one(number: int) -> Verdict:
        nonlocal slowest
        began = time.perf_counter()
        demands = [(counter, 1) for counter in demanded or (HOUR,)]
        verdict = await counters.take(demands, f"{time.monotonic_ns()}-{number}")
        slowest = max(slowest, time.perf_counter() - began)
        return verdict

    return await asyncio.gather(*map(one, range(times))), slowest


def admitted(verdicts: Sequence[Verdict]) -> int:
    return sum(verdict.refused is None for verdict in verdicts)


def used(server: Server, counter: Counter) -> float:
    with server.client() as client:
        value = client.get(f"{{test}}:{counter.name}")
        return float(value.split()[0]) if value else 0.0


@pytest.mark.parametrize("way", ["kill", "freeze"])
async def test_no_call_hangs_and_no_more_than_the_share_is_admitted_while_redis_is_gone(
    counters, server, way
):
    before, _ = await ask(counters, 60)
    getattr(server, way)()

    first, slowest = await ask(counters, 30)
    later, later_slowest = await ask(counters, 30)

    assert admitted(before) == 60
    assert admitted([*first, *later]) == 50  # half of the limit, whatever was used before
    assert max(slowest, later_slowest) < HANG_SECONDS
    assert counters.gone


async def test_it_comes_back_by_itself_and_is_told_what_was_used_meanwhile(counters, server):
    await ask(counters, 60)
    server.freeze()
    await ask(counters, 20)
    assert counters.gone

    server.thaw()
    await eventually(lambda: not counters.gone, BACK_SECONDS)
    await eventually(lambda: used(server, HOUR) > 79, BACK_SECONDS)

    again, _ = await ask(counters, 60)
    assert (
        15 <= admitted(again) <= 40
    )  # 100 less 60 and 20; what a frozen server had in hand may be counted on top


async def test_a_server_that_was_restarted_counts_from_what_was_used_meanwhile(counters, server):
    await ask(counters, 60)
    server.kill()
    await ask(counters, 20)

    server.start()
    await eventually(lambda: not counters.gone, BACK_SECONDS)
    await eventually(lambda: used(server, HOUR) > 19, BACK_SECONDS)
    again, _ = await ask(counters, 100)

    assert admitted(again) == 80


async def test_a_call_that_began_alone_and_ended_with_redis_is_settled_there(counters, server):
    server.kill()
    demands = [(DAY, 1000), (SLOTS, 1)]
    verdict = await counters.take(demands, "long")
    server.start()
    await eventually(lambda: not counters.gone, BACK_SECONDS)
    await eventually(lambda: used(server, DAY) == 1000, BACK_SECONDS)

    counters.give(demands, [300, 1], "long", verdict)

    await eventually(lambda: used(server, DAY) == 300, BACK_SECONDS)


async def test_what_is_given_back_while_redis_is_frozen_arrives_once(counters, server):
    demands = [(DAY, 1000)]
    verdicts = [await counters.take(demands, f"call-{number}") for number in range(20)]
    server.freeze()
    for number, verdict in enumerate(verdicts):
        counters.give(demands, [300], f"call-{number}", verdict)
    await asyncio.sleep(1.2)  # several tries to settle, each of which the frozen server has in hand

    server.thaw()

    await eventually(lambda: used(server, DAY) == 6000, BACK_SECONDS)
    await asyncio.sleep(0.7)
    assert used(server, DAY) == 6000


async def test_what_is_charged_while_redis_is_frozen_is_charged_once(counters, server):
    await ask(counters, 1)
    server.freeze()
    counters._shared.charge([Change(DAY, 700, 0, 0, time.time())])
    await asyncio.sleep(1.2)

    server.thaw()

    await eventually(lambda: used(server, DAY) == 700, BACK_SECONDS)
    await asyncio.sleep(0.7)
    assert used(server, DAY) == 700


async def test_of_a_thousand_who_ask_at_once_none_hangs_when_redis_freezes(counters, server):
    await ask(counters, 1)
    server.freeze()

    verdicts, slowest = await ask(counters, 1000)

    assert admitted(verdicts) == 50
    assert slowest < 1  # told within 0.12 s, each by a loop that has a thousand to tell


async def test_a_level_is_raised_alone_too_and_told_afterwards(counters, server):
    server.freeze()
    await ask(counters, 1)
    counters.raise_to(HOUR, 40)
    assert admitted((await ask(counters, 30))[0]) == 10

    server.thaw()
    await eventually(lambda: not counters.gone, BACK_SECONDS)
    await eventually(lambda: used(server, HOUR) > 49, BACK_SECONDS)


async def test_a_level_is_lowered_alone_too(counters, server):
    server.freeze()
    assert admitted((await ask(counters, 60))[0]) == 50
    counters.lower_to(HOUR, 20)
    assert admitted((await ask(counters, 60))[0]) == 30


async def test_what_was_admitted_alone_is_told_at_the_stop(server):
    counters = await surviving(server, share=1.0)
    server.freeze()
    await ask(counters, 30)
    server.thaw()

    await stop(counters)

    assert used(server, HOUR) > 29


async def test_slots_are_held_through_an_outage_that_is_longer_than_their_lease(server, monkeypatch):
    monkeypatch.setattr("app.limits.shared.LEASE_SECONDS", 1)
    counters = await surviving(server, share=0.2)
    await ask(counters, 5, SLOTS)
    server.freeze()
    await ask(counters, 5, HOUR)
    await asyncio.sleep(1.2)

    server.thaw()
    await eventually(lambda: not counters.gone, BACK_SECONDS)

    assert admitted((await ask(counters, 3, SLOTS))[0]) == 0
    await stop(counters)


@pytest.mark.parametrize("command", ["flushall", "script_flush"])
async def test_what_was_wiped_on_the_server_breaks_nothing(counters, server, command):
    await ask(counters, 60)
    with server.client() as client:
        getattr(client, command)()

    again, slowest = await ask(counters, 120)

    assert admitted(again) == (100 if command == "flushall" else 40)
    assert slowest < HANG_SECONDS
    assert not counters.gone


async def test_without_a_share_nobody_is_admitted(server):
    counters = await surviving(server, share=0)
    server.kill()

    with pytest.raises(LimitsUnknown):
        await ask(counters, 1)
    await stop(counters)


async def test_a_server_that_cannot_be_written_counts_as_gone(counters, server):
    await ask(counters, 1)
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")
    first, slowest = await ask(counters, 60)

    assert admitted(first) == 50
    assert slowest < HANG_SECONDS
    await asyncio.sleep(0.6)
    assert counters.gone

    with server.client() as client:
        client.replicaof("NO", "ONE")
    await eventually(lambda: not counters.gone, BACK_SECONDS)


async def test_a_gateway_starts_without_its_redis(server):
    server.kill()
    counters = await surviving(server)
    assert counters.gone

    server.start()
    await eventually(lambda: not counters.gone, BACK_SECONDS)
    await stop(counters)


async def test_the_log_says_once_a_minute_that_redis_is_gone(counters, server, caplog):
    for _ in range(3):
        server.kill()
        await ask(counters, 1)
        server.start()
        await eventually(lambda: not counters.gone, BACK_SECONDS)

    said = [record.getMessage() for record in caplog.records if "gone" in record.getMessage()]
    assert len(said) == 1
    assert "50%" in said[0]


async def test_slots_of_a_worker_that_was_killed_are_free_when_their_lease_is_over(server, monkeypatch):
    monkeypatch.setattr("app.limits.shared.LEASE_SECONDS", 1)
    killed, alive = await surviving(server), await surviving(server)
    verdicts, _ = await ask(killed, 5, SLOTS)
    assert admitted(verdicts) == 5
    for task in killed._shared._tasks:
        task.cancel()
    assert admitted((await ask(alive, 1, SLOTS))[0]) == 0

    await asyncio.sleep(1.1)

    assert admitted((await ask(alive, 5, SLOTS))[0]) == 5
    await stop(killed, alive)


async def test_slots_of_long_calls_are_held_for_as_long_as_they_run(server, monkeypatch):
    monkeypatch.setattr("app.limits.shared.LEASE_SECONDS", 1)
    monkeypatch.setattr("app.limits.shared.RENEWAL_SECONDS", 0.2)
    counters = await surviving(server)
    await ask(counters, 5, SLOTS)

    await asyncio.sleep(1.5)

    assert admitted((await ask(counters, 1, SLOTS))[0]) == 0
    await stop(counters)
