"""What a key's holder may ask of the memory, where the database fails, and where two ask at once."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.archive import Archive
from app.contracts import Call, Caller
from app.errors import BadRequest, MemoryFull, NoStore, SceneMissing
from app.forming import RULES
from app.memory.memory import Bounds
from app.memory.scene_table import SceneTable
from app.memory.wanted import WantedScenes, WantedSearch
from app.operations import SCENES
from app.store.opening import Store, opened
from app.wire import Members, Request
from tests.support.waiting import no_database_is_opened

ME = Caller("me")
CALL = Call("1", SCENES, Request(Members(b"{}", {}), "", stream=False, include_usage=False), ME, (), 0.0)
SAID = WantedScenes.model_validate_json(
    '{"session": "s", "turns": [{"role": "user", "text": "The lamp is lit."}]}'
)
NEVER = "0" * 32


@pytest.fixture
async def store(tmp_path) -> AsyncGenerator[Store]:
    async with opened(f"sqlite:///{tmp_path / 'test.db'}") as running:
        yield running


async def test_a_database_that_does_not_answer_is_told_without_its_address():
    gone = Store("sqlite:////nowhere/secret.db")
    archive = Archive(SceneTable(gone.database))
    asked = (
        archive.keep(CALL, SAID, RULES),
        archive.search(CALL, WantedSearch(query="lamp")),
        archive.scene(ME, NEVER),
        archive.original(ME, NEVER),
        archive.page(ME, "s"),
        archive.forget(ME, NEVER),
        archive.forget_session(ME, "s"),
    )
    for each in asked:
        with pytest.raises(NoStore) as told:
            await each
        assert told.value.status == 503
        assert "secret" not in told.value.message + told.value.detail
    await gone.close()
    await no_database_is_opened()


async def test_a_memory_that_is_full_says_how_much_it_holds_and_keeps_what_it_has(store):
    archive = Archive(SceneTable(store.database, Bounds(scenes=1)))
    kept = await archive.keep(CALL, SAID, RULES)
    more = SAID.model_copy(update={"session": "t"})
    with pytest.raises(MemoryFull, match="holds 1 scenes"):
        await archive.keep(CALL, more, RULES)
    assert (await archive.scene(ME, kept.ids[0])).gist == "The lamp is lit."
    await archive.forget(ME, kept.ids[0])
    assert (await archive.keep(CALL, more, RULES)).new == 1


async def test_questions_of_many_at_once_wait_for_each_other_and_all_are_answered(store):
    archive = Archive(SceneTable(store.database))
    sessions = [SAID.model_copy(update={"session": f"s{number}"}) for number in range(8)]
    await asyncio.gather(*(archive.keep(CALL, each, RULES) for each in sessions))
    found = await asyncio.gather(
        *(archive.search(CALL, WantedSearch(query="lamp", session=f"s{number}")) for number in range(8))
    )
    assert [[hit.scene.session for hit in hits] for hits in found] == [[f"s{number}"] for number in range(8)]


async def test_a_question_that_fails_leaves_its_place_to_the_next(store):
    archive = Archive(SceneTable(store.database))
    for _ in range(5):
        with pytest.raises(SceneMissing):
            await archive.forget(ME, NEVER)
        with pytest.raises(BadRequest):
            await archive.page(ME, "\0")
    assert (await archive.keep(CALL, SAID, RULES)).new == 1


async def test_scenes_that_are_kept_at_once_in_one_session_have_numbers_of_their_own(store):
    archive = Archive(SceneTable(store.database))
    texts = [
        f'{{"session": "s", "turns": [{{"role": "user", "text": "Lamp {n} is lit."}}]}}' for n in range(6)
    ]
    await asyncio.gather(
        *(archive.keep(CALL, WantedScenes.model_validate_json(each), RULES) for each in texts)
    )
    scenes, _ = await archive.page(ME, "s")
    assert sorted(scene.delta for scene in scenes) == [f"Δ{n}" for n in range(1, 7)]
