"""The vectors of calls: so many are remembered, so many are waited for at once, and no key sees another's."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from adapters import building
from adapters.demo.vectors import DIMENSIONS
from app import config
from app.attempts import Upstreams
from app.codecs.identity import Identity
from app.contracts import Call, Caller
from app.embedding import MOST_ASKING, MOST_KEPT, Embedding
from app.encoder import Encoder, plan_of
from app.journal import Record
from app.operations import CHAT
from app.prices import prices
from tests.routing.asking import asking, call


def embedding(tmp_path, model: str) -> Embedding:
    """One that asks this model of the demo what each call's id says."""
    path = tmp_path / "hyperbridge.yaml"
    path.write_text("upstreams: {demo: {kind: demo}}\n")
    settings = config.load(path, {})
    upstreams = Upstreams(building.sources(settings), Identity())
    encoder = Encoder(plan_of(f"demo/{model}", settings, upstreams), None, upstreams, prices(settings))
    return Embedding(lambda asked: asked.id, encoder, DIMENSIONS, timeout_seconds=20)


def saying(text: str, key: str = "anybody") -> Call:
    return replace(call(asking("x"), caller=Caller(key)), id=text)


async def outcome(made: Embedding, asked: Call) -> str:
    record = Record("id", CHAT, 0.0)
    seen = await made.seen(asked, record)
    assert seen.vector is not None
    assert record.encoded == replace(seen.vector, numbers=())
    assert bool(seen.vector.numbers) == (seen.vector.outcome in {"asked", "kept"})
    return seen.vector.outcome


async def test_so_many_vectors_are_remembered_those_that_were_used_last(tmp_path):
    made = embedding(tmp_path, "demo")
    for number in range(MOST_KEPT):
        assert await outcome(made, saying(f"text {number}")) == "asked"

    assert await outcome(made, saying("text 0")) == "kept"
    assert await outcome(made, saying("one more")) == "asked"
    assert await outcome(made, saying("text 0")) == "kept"
    assert await outcome(made, saying("text 1")) == "asked"


async def test_so_many_wait_at_once_and_the_others_go_without(tmp_path):
    made = embedding(tmp_path, "demo-slow")
    outcomes = await asyncio.gather(
        *(outcome(made, saying(f"text {each}")) for each in range(MOST_ASKING + 3))
    )

    assert Counter(outcomes) == {"asked": MOST_ASKING, "busy": 3}
    assert await outcome(made, saying("later")) == "asked"


async def test_no_key_is_told_faster_what_another_has_asked(tmp_path):
    made = embedding(tmp_path, "demo")

    assert [await outcome(made, saying("text", key)) for key in ("a", "b", "a", "b")] == [
        *("asked", "asked"),
        *("kept", "kept"),
    ]


async def test_who_leaves_makes_room(tmp_path):
    made = embedding(tmp_path, "demo-slow")
    waiting = [asyncio.ensure_future(outcome(made, saying(f"text {each}"))) for each in range(MOST_ASKING)]
    await asyncio.sleep(0)
    assert await outcome(made, saying("one more")) == "busy"
    for each in waiting:
        each.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError)
        for each in await asyncio.gather(*waiting, return_exceptions=True)
    )

    assert await outcome(made, saying("one more")) == "asked"


async def test_a_call_that_has_no_question_stays_as_it_was(tmp_path):
    asked = saying("")
    record = Record("id", CHAT, 0.0)

    assert await embedding(tmp_path, "demo").seen(asked, record) is asked
    assert record.encoded is None


@pytest.mark.parametrize("text", ["\0", "\u200b", "😀" * 900])
async def test_any_text_may_be_asked(tmp_path, text):
    assert await outcome(embedding(tmp_path, "demo"), saying(text)) == "asked"
