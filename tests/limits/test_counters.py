"""One suite over the counters in memory and in Redis."""

import asyncio
import itertools
import math
import random
import time

import pytest

from app.allowance import MOST
from app.limits.counters import Counter, Counters, Demand, Verdict, window_end, window_start
from app.limits.memory import Memory
from app.limits.shared import Shared, _Take
from app.redis_connection import connect
from tests.limits.conftest import Place
from tests.support.process import ROOT

LOOKS = itertools.count()
_SCRIPT = (ROOT / "app/limits/counters.lua").read_text("utf-8")
HOUR = Counter("requests:hour:key:a", "bucket", 100, "hour")
TOKENS = Counter("tokens:hour:key:a", "bucket", 1000, "hour")
DAY = Counter("usd:day:key:a", "window", 10**12, "day")
SLOTS = Counter("calls:key:a", "slots", 3)


async def used(counters: Counters, counter: Counter) -> float:
    """What is used now, by asking for nothing."""
    await paid(counters)
    verdict = await counters.take([(counter, 0)], f"look-{next(LOOKS)}")
    return verdict.used[0]


async def paid(counters: Counters) -> None:
    if isinstance(counters, Shared):
        while counters._owed:
            await counters.round()


async def test_exactly_the_limit_is_admitted_by_any_number_who_ask_at_once(place: Place):
    several = [place.counters() for _ in range(4)]

    async def ask(number: int) -> Verdict:
        return await several[number % 4].take([(HOUR, 1), (TOKENS, 5)], f"lease-{number}")

    verdicts = await asyncio.gather(*map(ask, range(200)))

    admitted = [verdict for verdict in verdicts if verdict.refused is None]
    assert len(admitted) == 100
    assert {verdict.refused for verdict in verdicts} == {None, 0}


async def test_what_is_refused_costs_nothing_anywhere(place: Place):
    counters = place.counters()

    verdict = await counters.take([(HOUR, 1), (SLOTS, 1), (TOKENS, 1001)], "too-much")

    assert (verdict.refused, verdict.wait_seconds) == (2, math.inf)
    assert await used(counters, HOUR) == 0
    assert await used(counters, SLOTS) == 0
    assert await used(counters, TOKENS) == 0


async def test_a_refusal_says_when_the_limit_frees(place: Place):
    counters = place.counters()
    await counters.take([(HOUR, 98)], "first")

    verdict = await counters.take([(HOUR, 5)], "second")

    assert verdict.refused == 0
    assert verdict.wait_seconds == pytest.approx(3 * 36, abs=1)
    assert verdict.used[0] == pytest.approx(98, abs=0.1)


async def test_what_was_not_used_is_given_back(place: Place):
    counters = place.counters()
    demands: list[Demand] = [(HOUR, 1), (TOKENS, 800), (DAY, 500)]
    verdict = await counters.take(demands, "one")

    counters.give(demands, [1, 30, 20], "one", verdict)

    assert await used(counters, HOUR) == pytest.approx(1, abs=0.1)
    assert await used(counters, TOKENS) == pytest.approx(30, abs=1)
    assert await used(counters, DAY) == 20


async def test_what_was_used_beyond_the_reservation_is_owed(place: Place):
    counters = place.counters()
    verdict = await counters.take([(TOKENS, 900)], "one")

    counters.give([(TOKENS, 900)], [1500], "one", verdict)

    assert await used(counters, TOKENS) == pytest.approx(1500, abs=2)
    assert (await counters.take([(TOKENS, 1)], "two")).refused == 0


async def test_slots_are_freed_by_whoever_held_them(place: Place):
    counters, others = place.counters(), place.counters()
    held = [await counters.take([(SLOTS, 1)], f"call-{number}") for number in range(3)]

    assert (await others.take([(SLOTS, 1)], "fourth")).refused == 0
    counters.give([(SLOTS, 1)], [1], "call-1", held[1])
    await paid(counters)
    assert (await others.take([(SLOTS, 1)], "fourth")).refused is None
    assert (await others.take([(SLOTS, 1)], "fifth")).refused == 0


async def test_a_bucket_empties_as_time_passes(place: Place):
    counters = place.counters()
    quick = Counter("requests:minute:key:quick", "bucket", 600, "minute")
    await counters.take([(quick, 600)], "all")

    before = await used(counters, quick)
    await asyncio.sleep(0.5)

    assert before - await used(counters, quick) == pytest.approx(5, abs=3)


async def test_a_day_and_a_month_end_at_midnight_in_utc(place: Place):
    counters = place.counters()
    month = Counter("requests:month:key:a", "window", 10, "month")

    verdict = await counters.take([(DAY, 1), (month, 11)], "too-many")
    again = await counters.take([(DAY, 10**12), (month, 10)], "all")
    refused = await counters.take([(month, 1)], "one-more")

    assert (verdict.refused, verdict.wait_seconds) == (1, math.inf)
    assert again.refused is None
    assert refused.wait_seconds == pytest.approx(window_end("month", refused.now) - refused.now, abs=1)


async def test_after_a_thousand_calls_that_ended_in_every_way_the_counters_hold_what_was_used(place: Place):
    chance = random.Random(20261125)
    counters = place.counters()
    tokens = Counter("tokens:day:key:a", "window", 10**9, "day")
    spent = 0

    async def call(number: int) -> None:
        nonlocal spent
        reserved, needed = chance.randrange(1, 5000), chance.choice([0, 0, chance.randrange(1, 6000)])
        demands: list[Demand] = [(tokens, reserved), (Counter("calls:key:b", "slots", 1000), 1)]
        verdict = await counters.take(demands, f"call-{number}")
        assert verdict.refused is None
        await asyncio.sleep(0)
        counters.give(demands, [needed, 1], f"call-{number}", verdict)
        spent += needed

    for first in range(0, 1000, 50):
        await asyncio.gather(*(call(number) for number in range(first, first + 50)))

    assert await used(counters, tokens) == spent
    assert await used(counters, Counter("calls:key:b", "slots", 1000)) == 0


async def test_what_a_call_was_given_but_never_heard_of_is_given_back(place: Place):
    """Calls that are cancelled at any moment: while they are asked about, and between the verdict and its hearing."""
    chance = random.Random(7)
    counters = place.counters()
    day = Counter("requests:day:key:c", "window", 10**6, "day")
    slots = Counter("calls:key:c", "slots", 10**6)
    kept: list[str] = []

    async def call(number: int) -> None:
        demands: list[Demand] = [(day, 1), (slots, 1)]
        verdict = await counters.take(demands, f"call-{number}")
        kept.append(f"call-{number}")
        if number % 2:
            counters.give(demands, [1, 1], f"call-{number}", verdict)

    for first in range(0, 2000, 20):
        tasks = [asyncio.ensure_future(call(number)) for number in range(first, first + 20)]
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        for task in tasks[: chance.randrange(20)]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert await used(counters, day) == len(kept)
    assert await used(counters, slots) == sum(not int(each.removeprefix("call-")) % 2 for each in kept)


async def test_of_a_bucket_no_more_is_given_back_than_has_not_come_back_by_itself():
    clock = Clock()
    counters = Memory(clock=clock)
    minute = Counter("tokens:minute:key:a", "bucket", 1000, "minute")
    first = await counters.take([(minute, 1000)], "one")
    clock.now += 60
    second = await counters.take([(minute, 1000)], "two")

    counters.give([(minute, 1000)], [0], "one", first)
    assert (await counters.take([(minute, 1)], "three")).refused == 0

    clock.now += 30
    counters.give([(minute, 1000)], [0], "two", second)
    assert await used(counters, minute) == 0


async def test_redis_gives_back_no_more_than_has_not_come_back_by_itself(redis):
    shared = Shared(connect(redis.url, 5.0), "drained", 5.0)
    minute = Counter("tokens:minute:key:drained", "bucket", 60_000, "minute")  # 1000 a second
    shared.start()
    first = await shared.take([(minute, 400)], "one")
    await asyncio.sleep(0.5)
    await shared.take([(minute, 60_000)], "two")

    shared.give([(minute, 400)], [0], "one", first)
    assert await used(shared, minute) == pytest.approx(60_000, abs=1000)
    assert (await shared.take([(minute, 1500)], "three")).refused == 0
    await shared.stop()


async def test_what_is_owed_has_a_bound(place: Place):
    counters = place.counters()
    verdict = await counters.take([(TOKENS, 1), (DAY, 1)], "one")

    counters.give([(TOKENS, 1), (DAY, 1)], [MOST, MOST], "one", verdict)

    assert await used(counters, TOKENS) == pytest.approx(3000, abs=5)
    assert await used(counters, DAY) == pytest.approx(MOST)
    assert (await counters.take([(TOKENS, 1)], "two")).wait_seconds == pytest.approx(2001 * 3.6, abs=20)


async def test_a_bucket_is_raised_to_a_level_however_many_say_so(place: Place):
    several = [place.counters() for _ in range(3)]
    await several[0].take([(HOUR, 90)], "one")

    for each in several * 2:
        each.raise_to(HOUR, 150)
        each.raise_to(HOUR, 20)
        await paid(each)

    assert await used(several[0], HOUR) == pytest.approx(150, abs=0.5)
    several[0].raise_to(HOUR, MOST)
    assert await used(several[0], HOUR) == pytest.approx(300, abs=0.5)


async def test_a_bucket_and_a_window_are_lowered_to_a_level_however_many_say_so(place: Place):
    several = [place.counters() for _ in range(3)]
    await several[0].take([(HOUR, 90), (DAY, 90)], "one")

    for each in several * 2:
        for counter in (HOUR, DAY):
            each.lower_to(counter, 40)
            each.lower_to(counter, 95)
        await paid(each)

    assert await used(several[0], HOUR) == pytest.approx(40, abs=0.5)
    assert await used(several[0], DAY) == 40
    several[0].raise_to(DAY, 50)
    assert await used(several[0], DAY) == 50


async def test_numbers_beyond_all_bounds_stop_nothing(redis):
    shared = Shared(connect(redis.url, 5.0), "beyond", 5.0)
    shared.start()
    verdict = await shared.take([(TOKENS, 10**30)], "beyond")
    assert (verdict.refused, verdict.wait_seconds) == (0, math.inf)

    demands: list[Demand] = [(TOKENS, 1), (DAY, 1)]
    verdict = await shared.take(demands, "after")
    shared.give(demands, [10**40, 10**40], "after", verdict)
    assert await used(shared, TOKENS) == pytest.approx(3000, abs=5)
    await shared.stop()


async def test_a_reservation_that_comes_after_it_was_taken_back_is_not_made(redis):
    shared = Shared(connect(redis.url, 5.0), "late", 5.0)
    wanted = _Take([(DAY, 500), (SLOTS, 1)], "late", asyncio.get_running_loop().create_future())
    shared._undo(wanted)
    await shared.round()

    shared._wanted.append(wanted)
    await shared.round()

    assert wanted.verdict.result().refused is not None
    shared.start()
    assert await used(shared, DAY) == 0
    assert await used(shared, SLOTS) == 0
    await shared.stop()


async def test_the_history_of_a_bucket_is_one_that_a_single_counter_could_have_had(place: Place):
    """Every admitted amount fits under the limit at its own moment, in the order of the counters' clock."""
    several = [place.counters() for _ in range(3)]
    limit = Counter("tokens:minute:key:history", "bucket", 3000, "minute")
    chance = random.Random(1)
    history: list[tuple[float, int, float]] = []

    async def ask(number: int) -> None:
        amount = chance.randrange(1, 200)
        verdict = await several[number % 3].take([(limit, amount)], f"lease-{number}")
        if verdict.refused is None:
            history.append((verdict.now, amount, verdict.used[0]))

    for _ in range(20):
        await asyncio.gather(*map(ask, range(10)))

    level, at = 0.0, 0.0
    for now, amount, told in sorted(history, key=lambda each: (each[0], each[2])):
        level = max(0.0, level - (now - at) * 50) + amount
        at = now
        assert level <= 3000 + 1e-6
        assert told == pytest.approx(level, abs=0.01)


def test_windows_begin_and_end_where_the_calendar_says():
    leap = 1709164800.0  # 2024-02-29 00:00 UTC

    assert (window_start("day", leap + 5), window_end("day", leap + 5)) == (leap, leap + 86400)
    assert window_end("month", leap) == leap + 86400
    assert window_end("month", window_start("month", leap) + 1) == leap + 86400


async def test_redis_knows_the_same_calendar(redis):
    """Both ends of every month of forty years, as the script reckons them."""
    text = _SCRIPT.partition("local function settle")[0]
    body = text.replace("local time = redis.call('TIME')", "").replace(
        "local now = tonumber(time[1]) + tonumber(time[2]) / 1000000", "local now = tonumber(ARGV[1])"
    )
    asked = "return {string.format('%d', window_start(ARGV[2], now)), string.format('%d', window_end(ARGV[2], now))}"
    with redis.client() as client:
        moment = window_start("month", 1.7e9)
        for _ in range(480):
            end = window_end("month", moment)
            for at in (moment, end - 1):
                assert client.eval(body + asked, 0, at, "month") == [f"{moment:.0f}", f"{end:.0f}"]
                day = [f"{window_start('day', at):.0f}", f"{window_end('day', at):.0f}"]
                assert client.eval(body + asked, 0, at, "day") == day
            moment = end


class Clock:
    now = window_start("month", time.time()) + 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_new_day_begins_with_nothing_used_and_is_not_paid_for_the_last():
    clock = Clock()
    counters = Memory(clock=clock)
    verdict = await counters.take([(DAY, 500)], "yesterday")

    clock.now += 86_400
    assert await used(counters, DAY) == 0
    await counters.take([(DAY, 100)], "today")
    counters.give([(DAY, 500)], [0], "yesterday", verdict)

    assert await used(counters, DAY) == 100


async def test_a_share_of_a_limit_is_at_least_one_and_says_what_is_left_of_it():
    counters = Memory(share=0.25)
    few = Counter("requests:hour:key:few", "bucket", 2, "hour")

    verdict = await counters.take([(HOUR, 10), (few, 1)], "one")

    assert (verdict.used[0], verdict.share) == (10, 0.25)
    assert (await counters.take([(few, 1)], "two")).refused == 0
    assert (await counters.take([(HOUR, 16)], "three")).refused == 0


async def test_a_call_larger_than_the_share_is_admitted_when_nothing_is_used():
    counters = Memory(share=0.25)

    assert (await counters.take([(TOKENS, 900)], "one")).refused is None
    assert (await counters.take([(TOKENS, 900)], "two")).refused == 0
    assert (await Memory(share=0.25).take([(TOKENS, 1001)], "three")).wait_seconds == math.inf


async def test_counters_that_are_empty_again_are_forgotten():
    clock = Clock()
    counters = Memory(clock=clock)
    for number in range(500):
        clock.now += 60
        await counters.take([(Counter(f"requests:minute:user:{number}", "bucket", 1, "minute"), 1)], "lease")

    assert len(counters._counts) < 10


async def test_names_that_clients_make_up_are_forgotten_beyond_a_bound(monkeypatch):
    monkeypatch.setattr("app.limits.memory.MOST_COUNTERS", 100)
    counters = Memory()
    for number in range(1000):
        await counters.take([(HOUR, 0), (DAY, 1)], "lease")
        await counters.take([(Counter(f"requests:month:user:{number}", "window", 1, "month"), 1)], "lease")

    assert len(counters._counts) <= 101
    assert await used(counters, DAY) == 1000  # what is in use is not forgotten
