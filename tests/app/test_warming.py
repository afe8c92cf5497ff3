import asyncio

import pytest

from app import config
from app.explaining import Written
from app.prices import prices
from app.routing.building import router
from app.routing.kept import Kept
from app.routing.listed import NOTHING
from app.warming import Warming
from tests.routing.asking import asking, call

SETTINGS = config.Config.model_validate({
    "upstreams": {"demo": {"kind": "demo"}},
    "models": {"demo": "demo/demo"},
})


@pytest.fixture
def routing():
    return router(SETTINGS, lambda: NOTHING, Written(prices(SETTINGS)), Kept())


@pytest.mark.parametrize(("model", "more"), [("auto", {}), ("demo", {"models": ["auto"]})])
async def test_whoever_asks_for_auto_waits_until_it_can_decide(routing, model, more):
    asked = call(asking("x", model, **more))
    assert routing.must_read(asked)

    await Warming(routing).before(asked)

    assert not routing.must_read(asked)
    assert routing.decide(asked).routes[0].model == "demo"


async def test_who_does_not_ask_for_auto_reads_nothing(routing):
    await Warming(routing).before(call(asking("x", "demo")))

    assert routing.must_read(call(asking("x")))


async def test_a_reading_that_fails_is_tried_again_by_the_next_call(routing, monkeypatch):
    def unreadable() -> None:
        raise OSError("too many open files")

    warming, asked = Warming(routing), call(asking("x"))
    with monkeypatch.context() as broken:
        broken.setattr("app.routing.classifier.shipped", unreadable)
        with pytest.raises(OSError, match="too many open files"):
            await warming.before(asked)
    await warming.before(asked)

    assert not routing.must_read(asked)


async def test_all_wait_for_one_reading_and_one_that_leaves_does_not_end_it(routing):
    warming, asked = Warming(routing), call(asking("x"))
    first, *others = [asyncio.ensure_future(warming.before(asked)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(*others)

    assert first.cancelled()
    assert not routing.must_read(asked)
