"""A call that nobody waits for any longer stops computing: the only slot is free for the next one.

Every call here would take minutes to its own end, so that one answer after it shows that it was ended.
"""

import asyncio
from pathlib import Path

import pytest

from adapters.embedded import running
from app.contracts import Answer
from app.errors import UpstreamBroken, UpstreamTimeout, UpstreamUnavailable
from tests.adapters.embedded.conftest import CHAT, ENDLESS, asking, endless, settings_of, started

PATH = "/v1/chat/completions"
THREADS = Path("/proc/self/task")


async def read_all(answer: Answer) -> None:
    while await answer.read():
        pass


def threads() -> int:
    return len(list(THREADS.iterdir()))


async def answers(embedded) -> bool:
    """Whether a short call gets its answer."""
    async with asyncio.timeout(20), embedded.open(asking(PATH, **CHAT)) as answer:
        return b'"finish_reason":"length"' in await answer.read()


async def test_leaving_a_stream_ends_it(embedded):
    async with embedded.open(endless()) as answer:
        assert await answer.read()

    assert await answers(embedded)


async def test_leaving_while_a_plain_answer_is_computed_ends_it(embedded):
    async def ask() -> None:
        async with embedded.open(endless(stream=False)):
            raise AssertionError

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(), 0.3)

    assert await answers(embedded)


async def test_a_client_that_hangs_up_ends_its_stream(client):
    body = {"model": "words", "stream": True, **CHAT, "max_tokens": 130_000, **ENDLESS}
    async with client.stream("POST", PATH, json=body) as answer:
        await anext(answer.aiter_bytes())

    answered = await client.post(PATH, json={"model": "words", **CHAT})
    assert answered.status_code == 200


async def test_a_call_waits_for_its_turn_and_gets_it_when_the_one_before_leaves(embedded):
    async with embedded.open(endless()) as answer:
        await answer.read()
        waiting = asyncio.ensure_future(answers(embedded))
        await answer.read()
        assert not waiting.done()

    assert await waiting


async def test_more_calls_than_may_wait_are_turned_away(files, monkeypatch):
    monkeypatch.setattr(running, "WAITING_CALLS", 0)
    async with started(settings_of(files)) as embedded, embedded.open(endless()):
        with pytest.raises(UpstreamUnavailable):
            async with embedded.open(asking(PATH, seconds=0.2, **CHAT)):
                pass


async def test_as_many_calls_are_answered_at_once_as_configured(files):
    async with (
        started(settings_of(files, parallel=2)) as embedded,
        embedded.open(endless()) as first,
        embedded.open(endless()) as second,
    ):
        for answer in (first, second, first, second):
            assert (await answer.read()).startswith(b"data: ")


async def test_a_deadline_ends_a_plain_answer_and_a_stream(embedded):
    with pytest.raises(UpstreamTimeout):
        async with embedded.open(endless(stream=False, seconds=0.3)):
            pass
    async with embedded.open(endless(seconds=1.0)) as answer:
        with pytest.raises(UpstreamTimeout):
            await read_all(answer)

    assert await answers(embedded)


@pytest.mark.skipif(
    not THREADS.exists(), reason="threads are counted in /proc, which this system does not have"
)
async def test_closing_ends_what_is_running_and_leaves_no_thread_behind(files):
    await asyncio.to_thread(int)  # the pool that starts are run in stays
    before = threads()
    async with started(settings_of(files)) as embedded:
        assert threads() > before
        async with embedded.open(endless()) as answer:
            await answer.read()
            await embedded.close()
            with pytest.raises(UpstreamBroken):
                await read_all(answer)

    assert threads() == before
    with pytest.raises(UpstreamUnavailable):
        async with embedded.open(asking(PATH, **CHAT)):
            pass
