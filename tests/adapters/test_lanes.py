"""Who waits for a part of a budget, when it goes, and what it is told, to the moment, by a clock that stands still."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from adapters.budgets import Allowed, Ration
from adapters.lanes import Lane, Tally
from app.contracts import Outbound, Priority
from app.errors import UpstreamLimited
from app.limits.counters import Counter, Demand, Verdict
from app.limits.memory import Memory
from app.operations import CHAT
from tests.support.clock import BEGIN, now, stopped

ROUND_TRIP = 0.5


class Distant(Memory):
    """Counts that are a round trip away. Who leaves meanwhile takes nothing."""

    async def take(self, demands: Sequence[Demand], lease: str) -> Verdict:
        verdict = await super().take(demands, lease)
        try:
            await asyncio.sleep(ROUND_TRIP)
        except asyncio.CancelledError:
            if verdict.refused is None:
                self.give(demands, [0] * len(demands), lease, verdict)
            raise
        return verdict


def counting(kind: type[Memory] = Memory) -> Memory:
    return kind(clock=asyncio.get_running_loop().time)


def lane_of(memory: Memory | None = None, **allowed) -> Lane:
    return Lane(Allowed("up", **allowed), "", memory or counting(), Tally())


def call(priority: Priority = "normal", *, seconds: float = 1000.0, tokens: int = 0, **more) -> Outbound:
    return Outbound(
        CHAT, "m", b"{}", stream=True, headers=(), deadline=BEGIN + now() + seconds,
        priority=priority, answer_tokens=tokens, **{"caller": "key", **more},
    )  # fmt: skip


async def fill(memory: Memory, limit: int, leaving: int = 0, measure: str = "requests") -> None:
    """Use all of the budget, or leave so much."""
    await Memory.take(memory, [(Counter(f"upstream:up:{measure}", "bucket", limit), limit - leaving)], "fill")


async def used(memory: Memory, limit: int) -> float:
    return (await Memory.take(memory, [(Counter("upstream:up:requests", "bucket", limit), 0)], "look")).used[
        0
    ]


async def full(limit: int = 60, **allowed) -> Lane:
    """A lane whose budget is used up: at a limit of 60 there is room for one each second."""
    memory = counting()
    await fill(memory, limit)
    return lane_of(memory, requests=limit, **allowed)


async def went(lane: Lane, outbound: Outbound) -> float:
    """When it went."""
    await lane.enter(outbound)
    return now()


def entering(lane: Lane, *calls: Outbound) -> list[asyncio.Task[float]]:
    return [asyncio.create_task(went(lane, each)) for each in calls]


async def looked() -> None:
    """Everything that can happen now has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


async def refused(lane: Lane, outbound: Outbound) -> UpstreamLimited:
    with pytest.raises(UpstreamLimited) as caught:
        await lane.enter(outbound)
    return caught.value


@stopped
async def test_each_goes_the_moment_there_is_room():
    lane = await full()

    assert await asyncio.gather(*entering(lane, *[call()] * 4)) == [1, 2, 3, 4]


@stopped
async def test_higher_priorities_go_first_whenever_they_come():
    lane = await full()
    order: list[Priority] = ["batch", "normal", "interactive"]
    tasks = []
    for priority in order:
        tasks += entering(lane, call(priority))
        await asyncio.sleep(0.25)

    assert await asyncio.gather(*tasks) == [3, 2, 1]


@stopped
async def test_who_comes_while_the_first_is_asking_does_not_hold_it_up():
    memory = counting(Distant)
    await fill(memory, 60)
    lane = lane_of(memory, requests=60)
    first = entering(lane, call("batch"))
    await asyncio.sleep(1.75)  # one has come back, and is being given to it

    second = entering(lane, call("interactive"))

    assert await asyncio.gather(*first, *second) == [2, 2.75]


@stopped
async def test_clients_that_leave_while_they_wait_leave_no_trace():
    memory = counting()
    await fill(memory, 60)
    lane = lane_of(memory, requests=60)
    tasks = entering(lane, *[call()] * 50)
    await asyncio.sleep(0.5)

    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert not lane.busy
    assert await used(memory, 60) == 59.5
    assert lane.budget.granted == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert await went(lane, call()) == 1


@pytest.mark.parametrize("leaving", range(5))
@stopped
async def test_whoever_leaves_the_others_go_as_if_it_had_not_come(leaving):
    lane = await full()
    tasks = entering(lane, *[call()] * 5)
    await asyncio.sleep(0.5)

    tasks.pop(leaving).cancel()

    assert await asyncio.gather(*tasks) == [1, 2, 3, 4]
    assert lane.budget.granted == 4


@pytest.mark.parametrize("after", [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25])
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
@stopped
async def test_a_turn_that_comes_as_its_call_is_cancelled_is_given_back(after, steps):
    memory = counting(Distant)
    await fill(memory, 60)
    lane = lane_of(memory, requests=60)
    [task] = entering(lane, call())
    await asyncio.sleep(after)
    for _ in range(steps):
        await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])

    kept = not task.cancelled()
    assert (lane.busy, lane.budget.granted) == (kept, kept)
    assert await used(memory, 60) == 60 - now() + kept


@stopped
async def test_a_turn_that_comes_as_its_call_is_displaced_is_given_back():
    memory = counting(Distant)
    await fill(memory, 60)
    lane = lane_of(memory, requests=60, queue=1)
    [batch] = entering(lane, call("batch"))
    await asyncio.sleep(1.75)

    higher = entering(lane, call("interactive"))

    with pytest.raises(UpstreamLimited, match="calls of a higher priority wait"):
        await batch
    assert now() == 2
    assert await used(memory, 60) == 58
    assert await asyncio.gather(*higher) == [2.75]
    assert lane.budget.granted == 1


@pytest.mark.parametrize(("sent", "goes"), [(True, 1), (False, 0.5)])
@stopped
async def test_what_a_call_gives_back_lets_the_next_go_at_once(sent, goes):
    lane = lane_of(requests=60)
    rations = [await lane.enter(call()) for _ in range(60)]
    waiting = entering(lane, call())
    await asyncio.sleep(0.5)

    lane.leave(call(), rations[0], 0, sent=sent)

    assert await asyncio.gather(*waiting) == [goes]
    assert lane.budget.granted == 60 + sent


@stopped
async def test_tokens_that_were_not_used_let_the_next_go_at_once():
    lane = lane_of(tokens=6000)
    ration = await lane.enter(call(tokens=6000))
    waiting = entering(lane, call(tokens=3000))
    await asyncio.sleep(1)

    lane.leave(call(tokens=6000), ration, 3000)

    assert await asyncio.gather(*waiting) == [1]
    assert lane.budget.written_tokens == 3000


@stopped
async def test_after_a_refusal_nobody_goes_and_who_has_less_time_is_told():
    memory = counting()
    lane = lane_of(memory, requests=60)
    ration: Ration | None = await lane.enter(call())
    await fill(memory, 60, leaving=1)
    waiting = entering(lane, call(seconds=8), call(seconds=20))
    await looked()

    lane.refused(call(), ration, 10.0)

    with pytest.raises(UpstreamLimited, match=r"would wait 10\.0 s, and has 8\.0 s"):
        await waiting[0]
    assert now() == 0
    assert await waiting[1] == 10


@stopped
async def test_who_waits_until_its_time_is_over_is_told_then():
    lane = await full()
    waiting = entering(lane, call("batch", seconds=1.5))
    await looked()
    waiting += entering(lane, *[call("interactive")] * 3)

    with pytest.raises(UpstreamLimited, match=r"waited 1\.5 s, all the time it had") as told:
        await waiting[0]

    assert now() == 1.5
    assert told.value.blameless
    assert lane._tally.dropped["expired"] == 1
    assert await asyncio.gather(*waiting[1:]) == [1, 2, 3]


@stopped
async def test_who_is_told_the_moment_its_time_is_over_is_counted_once():
    memory = counting()
    lane = lane_of(memory, requests=60)
    ration = await lane.enter(call())
    await fill(memory, 60, leaving=1)
    waiting = entering(lane, call("batch", seconds=1.5))
    await looked()
    waiting += entering(lane, *[call("interactive")] * 2)
    asyncio.get_running_loop().call_at(BEGIN + 1.5, lane.refused, call(), ration, 10.0)

    with pytest.raises(UpstreamLimited, match=r"would wait 10\.0 s"):
        await waiting[0]

    assert lane._tally.dropped == {"late": 1, "expired": 0, "full": 0, "displaced": 0, "hedge": 0}
    await left(waiting[1:])


@stopped
async def test_who_leaves_by_its_deadline_while_it_is_first_wakes_the_next():
    memory = counting(Distant)
    await fill(memory, 60)
    lane = lane_of(memory, requests=60)
    waiting = entering(lane, call(seconds=1.75), call())

    with pytest.raises(UpstreamLimited, match="all the time it had"):
        await waiting[0]

    assert now() == 1.75
    assert await waiting[1] == 2.25  # it asks at once
    assert lane.budget.granted == 1


@stopped
async def test_those_that_wait_count_in_what_one_would_wait():
    lane = await full()
    waiting = entering(lane, *[call()] * 30)
    await looked()

    told = await refused(lane, call(seconds=15))

    assert told.headers["retry-after"] == "31"
    assert str(told) == ("The upstream's rate limit is used up: this call would wait 31.0 s, and has 15.0 s.")
    await left(waiting)


@stopped
async def test_the_time_to_the_first_content_counts_where_that_is_shorter():
    lane = await full(1)

    assert "has 5.0 s" in str(await refused(lane, call(first_by=BEGIN + 5)))


@stopped
async def test_what_other_workers_take_of_the_budget_counts_in_what_one_would_wait():
    memory = counting()
    await fill(memory, 60)
    lanes = [lane_of(memory, requests=60) for _ in range(2)]
    waiting = [task for _ in range(12) for lane in lanes for task in entering(lane, call())]
    await asyncio.sleep(8.5)  # four of each have gone
    assert [lane.waiting("normal") for lane in lanes] == [8, 8]

    told = await refused(lanes[0], call(seconds=10))

    assert (
        told.headers["retry-after"] == "15"
    )  # turns came after 1, 2, 2 and 2 s, and the next is due in half a second
    await left(waiting)


@stopped
async def test_small_calls_that_wait_do_not_count_as_much_as_a_large_one():
    memory = counting()
    await fill(memory, 6000, measure="tokens")
    lane = lane_of(memory, tokens=6000)
    waiting = entering(lane, *[call(tokens=100)] * 8)
    await asyncio.sleep(4.5)  # four have gone

    assert await went(lane, call(tokens=500, seconds=20)) == 13
    await left(waiting)


@stopped
async def test_a_small_call_that_goes_first_does_not_wait_for_what_a_large_one_needs():
    memory = counting()
    await fill(memory, 6000, leaving=200, measure="tokens")
    lane = lane_of(memory, tokens=6000)
    large = entering(lane, call("batch", tokens=6000))
    await looked()

    assert await went(lane, call("interactive", tokens=100, seconds=20)) == 0
    assert await asyncio.gather(*large) == [59]


@stopped
async def test_time_is_kept_for_the_answer():
    lane = await full()
    for _ in range(50):
        lane.answered(call(), 5.0)

    told = await refused(lane, call(seconds=1.5))  # half of it is its answer's

    assert "would wait 1.0 s, and has 0.8 s" in str(told)


@stopped
async def test_no_more_wait_than_may():
    lane = await full(queue=2)
    batch = entering(lane, *[call("batch")] * 2)
    await looked()

    assert "2 calls wait already, the most that may" in str(await refused(lane, call("batch")))

    higher = entering(lane, call("interactive"))
    with pytest.raises(UpstreamLimited, match="calls of a higher priority wait"):
        await batch[1]
    assert lane._tally.dropped == {"late": 0, "expired": 0, "full": 1, "displaced": 1, "hedge": 0}
    assert await asyncio.gather(*higher, batch[0]) == [1, 2]


@stopped
async def test_a_queue_of_none_refuses_at_once():
    assert "0 calls wait already" in str(await refused(await full(queue=0), call()))


@stopped
async def test_a_second_attempt_does_not_wait():
    assert "a second attempt does not wait" in str(await refused(await full(), call(hedge=True)))


@stopped
async def test_how_long_calls_waited_is_counted():
    lane = await full()

    await asyncio.gather(*entering(lane, *[call()] * 3, call("batch", seconds=0.5)), return_exceptions=True)

    assert lane._tally.seconds == {"interactive": 0, "normal": 6, "batch": 0}
    assert sum(lane._tally.waits["normal"]) == 3


async def left(tasks: Sequence[asyncio.Task[float]]) -> None:
    """These clients leave."""
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
