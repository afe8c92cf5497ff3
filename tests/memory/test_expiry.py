"""What is told scene by scene and page by page, and what is gone when its time is over."""

import pytest

from app.background import background
from app.errors import BadRequest
from app.memory.expiry import expiring
from app.memory.memory import Wanted
from app.memory.scene_table import AT_ONCE, SceneTable
from app.store.opening import Store
from tests.memory.conftest import NOW
from tests.memory.samples import moment, scene, source
from tests.support.waiting import answered, no_database_is_opened


async def test_a_scene_is_told_by_its_id_to_its_own_tenant(memory):
    said = scene("The lamp is in the attic.")
    await memory.put([said], [source("The lamp is in the attic.")])
    assert await memory.scene("a", said.id) == said
    assert await memory.scene("b", said.id) is None
    assert await memory.scene("a", "0" * 32) is None


async def test_a_long_session_is_told_in_pages_each_scene_once(memory):
    texts = [f"Lamp number {number} is here." for number in range(AT_ONCE + 3)]
    scenes = [scene(each) for each in texts]
    await memory.put(scenes, [source(each) for each in texts])
    first, after = await memory.page("a", "s")
    rest, behind = await memory.page("a", "s", after)
    assert [*first, *rest] == scenes
    assert len(first) == AT_ONCE
    assert await memory.page("a", "s", behind) == ([], 0)
    assert len(await memory.scenes("a", "s")) == len(scenes)
    assert len(await memory.scenes("b", "s")) == 0


async def test_a_scene_is_told_no_more_when_its_time_is_over_and_is_deleted_soon_after(memory, store: Store):
    later = SceneTable(store.database, clock=lambda: NOW + 20)
    said = scene("The lamp is lit.", expires=moment(NOW + 10))
    await memory.put([said], [source("The lamp is lit.")])
    assert await later.scene("a", said.id) is None
    assert await memory.scene("a", said.id) == said

    async def is_gone() -> bool:
        return await memory.scene("a", said.id) is None

    async with background(expiring(memory, 0.01, lambda: NOW + 20), "lost"):
        await answered(is_gone, seconds=10)
    assert await memory.search(Wanted("a", "lamp")) == []


async def test_a_database_that_is_gone_ends_nothing(caplog):
    gone = Store("sqlite:////nowhere/at/all.db")
    lost = SceneTable(gone.database)

    async def is_told() -> bool:
        return "not deleted yet" in caplog.text

    async with background(expiring(lost, 0.01), "lost") as work:
        await answered(is_told, seconds=10)
        assert not work.done()
    await gone.close()
    await no_database_is_opened()


@pytest.mark.parametrize("session", ["", "x" * 257, "\0"])
async def test_a_session_that_nobody_can_have_is_refused(memory, session):
    with pytest.raises(BadRequest):
        len(await memory.scenes("a", session))
