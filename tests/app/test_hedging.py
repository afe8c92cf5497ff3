"""A second attempt beside a slow one: who wins, and what becomes of the other."""

import asyncio
import gc
import weakref
from dataclasses import dataclass

import pytest

from app.contracts import Hedging, Route
from app.hedging import FEWEST, MOST_SAVED, Hedges, race
from tests.support.waiting import eventually

ROUTE = Route("one", "m", "alias", "configured")


@dataclass
class Opened:
    name: str
    left: int = 0

    by: BaseException | None = None

    async def leave(self, error) -> None:
        self.left += 1
        self.by = error


class Broken(Exception):
    pass


class Attempt:
    """Answers, or fails, when it is told to; says whether it was cancelled."""

    def __init__(self, name: str) -> None:
        self.opened = Opened(name)
        self.begun = asyncio.Event()
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.cancelled = False
        self.gone = asyncio.Event()
        self.gone.set()

    async def __call__(self) -> Opened:
        self.begun.set()
        try:
            await self.end
        except asyncio.CancelledError:
            self.cancelled = True
            await self.gone.wait()
            raise
        return self.opened


async def test_a_fast_answer_is_not_hedged():
    first, second = Attempt("first"), Attempt("second")
    first.end.set_result(None)

    assert await race(first, second, 60, lambda: True) is first.opened
    assert not second.begun.is_set()


async def test_the_second_wins_and_the_first_is_cancelled():
    first, second = Attempt("first"), Attempt("second")
    second.end.set_result(None)

    assert await race(first, second, 0, lambda: True) is second.opened
    assert first.cancelled


async def test_where_the_share_is_used_up_the_first_is_waited_for():
    first, second = Attempt("first"), Attempt("second")
    racing = asyncio.ensure_future(race(first, second, 0, lambda: False))
    await first.begun.wait()
    first.end.set_result(None)

    assert await racing is first.opened
    assert not second.begun.is_set()


async def test_a_failure_of_one_waits_for_the_other():
    first, second = Attempt("first"), Attempt("second")
    racing = asyncio.ensure_future(race(first, second, 0, lambda: True))
    await second.begun.wait()
    first.end.set_exception(ValueError("first"))
    await asyncio.sleep(0)
    second.end.set_result(None)

    assert await racing is second.opened


async def test_where_both_fail_the_first_failure_is_told():
    first, second = Attempt("first"), Attempt("second")
    first.end.set_exception(ValueError("first"))
    racing = asyncio.ensure_future(race(second, first, 0, lambda: True))
    await second.begun.wait()
    second.end.set_exception(KeyError("second"))

    with pytest.raises(KeyError):
        await racing


async def test_a_failure_is_freed_without_the_collector():
    async def failing() -> Opened:
        raise Broken

    gc.disable()
    try:
        with pytest.raises(Broken) as caught:
            await race(failing, failing, 0, lambda: True)
        known = weakref.ref(caught.value)
        del caught
        await eventually(lambda: known() is None)
    finally:
        gc.enable()


async def test_both_that_come_at_once_leave_one_behind():
    first, second = Attempt("first"), Attempt("second")
    racing = asyncio.ensure_future(race(first, second, 0, lambda: True))
    await second.begun.wait()
    first.end.set_result(None)
    second.end.set_result(None)

    assert await racing is first.opened
    assert (first.opened.left, second.opened.left) == (0, 1)
    assert isinstance(
        second.opened.by, asyncio.CancelledError
    )  # it has answered well, and still it was let go


async def test_a_cancelled_race_cancels_both():
    first, second = Attempt("first"), Attempt("second")
    racing = asyncio.ensure_future(race(first, second, 0, lambda: True))
    await second.begun.wait()
    racing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await racing
    assert first.cancelled
    assert second.cancelled


async def test_a_race_that_is_cancelled_while_the_loser_ends_leaves_the_winner_and_waits_for_the_loser():
    first, second = Attempt("first"), Attempt("second")
    first.gone.clear()
    racing = asyncio.ensure_future(race(first, second, 0, lambda: True))
    await second.begun.wait()
    second.end.set_result(None)
    await eventually(lambda: first.cancelled)
    racing.cancel()
    await asyncio.sleep(0)
    assert not racing.done()
    first.gone.set()

    with pytest.raises(asyncio.CancelledError):
        await racing
    assert second.opened.left == 1


def test_what_is_slow_is_known_from_the_answers_before():
    hedges = Hedges()
    for number in range(FEWEST):
        assert hedges.after_seconds(ROUTE, Hedging()) is None
        hedges.note(ROUTE, number / 10)

    assert hedges.after_seconds(ROUTE, Hedging()) == pytest.approx(1.9)
    assert hedges.after_seconds(ROUTE, Hedging(after_seconds=5)) == 5


def test_hedges_are_a_share_of_the_requests():
    hedges = Hedges()
    spent = 0
    for _ in range(1000):
        hedges.after_seconds(ROUTE, Hedging(share=0.05))
        spent += hedges.spend(ROUTE)

    assert 45 <= spent <= 50 + MOST_SAVED
