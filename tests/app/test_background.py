"""Work beside a block: ended with it, and missed where it ends alone."""

import asyncio
import logging

import pytest

from app.background import background

LOSS = "nothing is looked for any more"


async def endless() -> None:
    await asyncio.Event().wait()


async def broken() -> None:
    raise ZeroDivisionError


async def test_it_ends_with_the_block_and_nobody_is_told(caplog):
    async with background(endless(), LOSS) as task:
        await asyncio.sleep(0)
        assert not task.done()

    assert task.cancelled()
    assert not caplog.records


async def test_it_ends_with_a_block_that_fails(caplog):
    with pytest.raises(KeyError):
        async with background(endless(), LOSS) as task:
            raise KeyError

    assert task.cancelled()
    assert not caplog.records


async def test_work_that_fails_is_told_with_its_reason_and_the_block_goes_on(caplog):
    async with background(broken(), LOSS) as task:
        await asyncio.wait([task])

    [told] = caplog.records
    assert (told.levelno, told.getMessage()) == (logging.CRITICAL, LOSS)
    assert told.exc_info is not None
    assert told.exc_info[0] is ZeroDivisionError
