"""The memory in each kind of database: one suite for all of them."""

import asyncio
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.errors import BadRequest, MemoryFull, TooLarge
from app.memory.memory import Bounds, Source, Wanted
from app.memory.scene_table import AT_ONCE
from app.store.tables import METADATA, SCENES, SOURCES, TENANTS, WORDS_TABLE
from scenes.former import Whose, formed
from scenes.pieces import Turn
from scenes.scene import Fact, Link, Span, hash_of
from tests.memory.conftest import NOW
from tests.memory.samples import CREATED, ENCODER, moment, scene, source, superseding, texts, vector

FLIGHT = "The flight AB123 leaves at 17:40 from gate 5."
CAT = "My cat Mila likes to sleep on the radiator."
RENT = "The rent of 950 EUR is due on the first day of each month."


async def kept(memory, *said, **members):
    """Scenes of these texts, remembered."""
    scenes = [scene(each, **members) for each in said]
    await memory.put(scenes, [source(each) for each in said])
    return scenes


async def found(memory, query, tenant="a", **members):
    return texts(await memory.search(Wanted(tenant, query, **members)))


async def rows(store):
    """How many each table has, but those of counts."""
    names = [table.name for table in METADATA.sorted_tables if "scene" in table.name or table.name == "s"]
    names += ["sources", "supersessions", WORDS_TABLE]
    async with store.database.reading() as connection:
        return {
            name: (await connection.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one()
            for name in names
        }


async def counts(store, tenant="a"):
    async with store.database.reading() as connection:
        row = (await connection.execute(TENANTS.select().where(TENANTS.c.tenant == tenant))).one()
    return row.scenes, row.bytes


# what is kept


async def test_a_scene_comes_back_as_it_was(memory):
    other = scene(CAT)
    whole = scene(
        FLIGHT,
        agent="ann",
        tension="will we make it?",
        context="travel",
        archetype="request",
        registers={"logic": 0.25, "emotion": 0.75},
        hyperlexeme="flight-gate",
        delta="Δ1",
        code="§flight",
        hypertoken="<|hb:flight|>",
        links=(Link("answers", other.id),),
        encoder=ENCODER,
        vector=vector(1, 2, 3),
        tokens_raw=12,
        tokens_encoded=3,
        expires=moment(NOW + 60),
    )
    assert await memory.put([whole, other], [source(FLIGHT), source(CAT)]) == 2
    assert await memory.scenes("a", "s") == [whole, other]
    [hit] = await memory.search(Wanted("a", "gate"))
    assert hit.scene == whole


async def test_a_session_is_told_in_the_order_it_came(memory):
    said = [f"turn {number} of the talk" for number in range(AT_ONCE + 20)]
    scenes = [scene(each) for each in said]
    await memory.put(scenes, [source(each) for each in said])
    await kept(memory, "of another session", session="other")
    assert await memory.scenes("a", "s") == scenes
    assert await memory.scenes("a", "nobody's") == []


async def test_what_the_former_makes_is_remembered(memory):
    turns = [
        Turn("ann", "user", f"{FLIGHT} {RENT}"),
        Turn("bot", "assistant", CAT),
        Turn("t", "tool", "17:40"),
    ]
    scenes = [*formed(turns, Whose("a", "s", CREATED))]
    sources = [source(turn.text, turn.trust) for turn in turns]
    assert await memory.put(scenes, sources) == len(scenes)
    assert await memory.scenes("a", "s") == scenes


async def test_a_scene_that_is_known_stays_as_it_was(memory, store):
    [first] = await kept(memory, FLIGHT)
    before = await counts(store)
    assert await memory.put([msgspec.structs.replace(first, gist="another")], [source(FLIGHT)]) == 0
    assert await memory.put([first, first], []) == 0
    assert await memory.scenes("a", "s") == [first]
    assert await counts(store) == before


async def test_a_vector_may_come_later(memory, opener, store):
    [first] = await kept(memory, FLIGHT)
    await kept(memory, CAT, encoder=ENCODER, vector=vector(0, 1))
    asked = Wanted("a", "", vector=vector(1, 0.1), encoder=ENCODER)
    other = opener()
    assert texts(await other.search(asked)) == [CAT[:40].strip()]
    with_vector = msgspec.structs.replace(first, encoder=ENCODER, vector=vector(1, 0))
    assert await memory.put([with_vector], []) == 0
    before = await counts(store)
    assert await memory.put([with_vector], []) == 0
    assert await counts(store) == before
    assert (await memory.scenes("a", "s"))[0] == with_vector
    assert next(hit.scene.id for hit in await other.search(asked)) == first.id


@pytest.mark.parametrize("said", ["a\0b", "half \ud800 of one", "\r\n\t", "🙂 да 日本", "x" * 70_000])
async def test_any_text_comes_back_word_for_word(memory, said):
    name = hash_of(said)
    await memory.put([scene(said, gist="g", facts=())], [source(said)])
    assert await memory.original("a", name) == said
    assert await memory.original("a", name, 1, 3) == said[1:3]
    assert await memory.original("a", name, 2) == said[2:]


async def test_an_original_that_is_not_there_is_none(memory):
    await kept(memory, FLIGHT)
    assert await memory.original("a", hash_of("something else")) is None
    assert await memory.original("b", hash_of(FLIGHT)) is None


# what is not kept


async def refused(memory, match, scenes, sources, kind=BadRequest):
    with pytest.raises(kind, match=match) as caught:
        await memory.put(scenes, sources)
    assert "gate" not in caught.value.message
    assert await memory.scenes("a", "s") == []


async def test_scenes_and_texts_that_do_not_fit_together_are_refused(memory):
    fine, name = scene(FLIGHT), hash_of(FLIGHT)
    too_far = Span(name, 0, len(FLIGHT) + 1)
    await refused(memory, "neither given nor remembered", [fine], [])
    await refused(memory, "no scene was made from", [fine], [source(FLIGHT), source(CAT)])
    await refused(memory, "for one tenant at a time", [], [source(FLIGHT)])
    await refused(
        memory, "for one tenant at a time", [fine, scene(CAT, tenant="b")], [source(FLIGHT), source(CAT)]
    )
    await refused(memory, "is not its own", [fine], [Source(name, CAT, "user")])
    await refused(memory, "has nothing", [scene(FLIGHT, source=(too_far,))], [source(FLIGHT)])
    await refused(memory, "has nothing", [scene(FLIGHT, source=(Span(name, 3, 2),))], [source(FLIGHT)])
    await refused(memory, "has nothing", [scene(FLIGHT, facts=(Fact("id", "x", too_far),))], [source(FLIGHT)])


async def test_a_scene_is_not_trusted_more_than_who_said_it(memory):
    await refused(memory, "trusted more", [scene(FLIGHT)], [source(FLIGHT, "tool")])
    await memory.put([scene(FLIGHT, trust="tool", session="t")], [source(FLIGHT, "tool")])
    await refused(memory, "trusted more", [scene(FLIGHT)], [])
    assert await memory.put([scene(FLIGHT)], [source(FLIGHT)]) == 1  # a user may say the same


async def test_a_text_is_believed_as_little_as_whoever_said_it_is(memory):
    await memory.put([scene(FLIGHT)], [source(FLIGHT)])
    await memory.put([scene(FLIGHT, session="t", trust="tool")], [source(FLIGHT, "tool")])
    with pytest.raises(BadRequest, match="trusted more"):
        await memory.put([scene(FLIGHT, session="u")], [])


async def test_days_that_are_none_are_refused(memory):
    for wrong in ({"created": "2027-13-01T00:00:00Z"}, {"expires": "2027-02-30T00:00:00Z"}):
        await refused(memory, "on a day that is none", [scene(FLIGHT, **wrong)], [source(FLIGHT)])


async def test_half_a_character_in_a_scene_is_refused(memory):
    await refused(memory, "half a character", [scene(FLIGHT, gist="\ud800")], [source(FLIGHT)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"vector": vector(1, 2)},
        {"vector": b"", "encoder": ENCODER},
        {"vector": b"\0" * 3, "encoder": ENCODER},
        {"vector": b"\0" * 4, "encoder": ENCODER},
        {"vector": b"\xff\xff" * 4, "encoder": ENCODER},
        {"vector": b"\0" * 40_000, "encoder": ENCODER},
        {"vector": vector(1, 2), "encoder": "a\0"},
    ],
)
async def test_what_is_no_unit_vector_of_an_encoder_is_refused(memory, wrong):
    await refused(memory, "vector|encoder", [scene(FLIGHT, **wrong)], [source(FLIGHT)])


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * 257])
async def test_names_that_a_database_would_change_are_refused(memory, name):
    for members in ({"tenant": name}, {"session": name}):
        with pytest.raises(BadRequest, match="1 to 256 characters"):
            await memory.put([scene(FLIGHT, **members)], [source(FLIGHT)])
    for asked in (
        memory.search(Wanted(name, "x")),
        memory.search(Wanted("a", "x", session=name)),
        memory.scenes("a", name),
        memory.scenes(name, "s"),
        memory.original(name, hash_of(FLIGHT)),
        memory.forget(name, "s"),
        memory.forget("a", id=name),
    ):
        with pytest.raises(BadRequest, match="1 to 256 characters"):
            await asked


# how much is kept


async def test_a_text_above_its_bound_is_refused(opener):
    memory = opener(bounds=Bounds(source_bytes=100))
    await refused(memory, "at most 100 bytes", [scene("é" * 51)], [source("é" * 51)], TooLarge)
    await refused(
        memory, "at most 100 bytes", [scene(FLIGHT)], [source(FLIGHT)], TooLarge
    )  # the scene itself


async def test_more_scenes_than_a_tenant_may_have_are_refused_whole(opener, store):
    memory = opener(bounds=Bounds(scenes=2))
    await kept(memory, FLIGHT)
    with pytest.raises(MemoryFull, match="holds 2 scenes of one tenant, and these would be 3"):
        await kept(memory, CAT, RENT)
    assert texts(await memory.search(Wanted("a", "cat rent flight"))) == [FLIGHT[:40].strip()]
    assert (await rows(store))["sources"] == 1
    await kept(memory, CAT, RENT, tenant="b")
    await kept(memory, CAT)
    await memory.forget("a", id=scene(CAT).id)
    await kept(memory, RENT)


async def test_more_bytes_than_a_tenant_may_have_are_refused_whole(opener, store):
    await kept(opener(), FLIGHT)
    _, size = await counts(store)
    memory = opener(bounds=Bounds(bytes=size + 100))
    with pytest.raises(MemoryFull, match=f"holds {size + 100} bytes of one tenant"):
        await kept(memory, CAT)
    assert await counts(store) == (1, size)
    assert await memory.put([scene(FLIGHT)], [source(FLIGHT)]) == 0


async def test_the_bytes_of_a_tenant_are_those_of_its_scenes_vectors_and_texts(memory, store):
    await kept(memory, FLIGHT, CAT, encoder=ENCODER, vector=vector(1, 2))
    await kept(memory, FLIGHT, session="again")
    async with store.database.reading() as connection:
        sizes = [
            (await connection.execute(text(f"SELECT sum(length({column})) FROM {table}"))).scalar_one()
            for table, column in (("scenes", "line"), ("sources", "text"))
        ]
    assert await counts(store) == (3, sum(sizes) + 2 * 4)
    await memory.forget("a", "s")
    await memory.forget("a", "again")
    assert await counts(store) == (0, 0)


# words


async def test_the_words_of_a_question_find_scenes_the_best_first(memory):
    await kept(memory, FLIGHT, CAT, RENT, "The cat sat on the first step, and the day was long.")
    assert await found(memory, "Where does my cat sleep?") == [
        CAT[:40].strip(),
        "The cat sat on the first step, and the d",
    ]
    assert await found(memory, "AB123") == [FLIGHT[:40].strip()]
    assert await found(memory, "950") == [RENT[:40].strip()]
    assert await found(memory, "zebras, nowhere") == []
    [hit] = await memory.search(Wanted("a", "radiator"))
    assert hit.by == ("words",)


async def test_a_rare_word_counts_more_than_a_frequent_one(memory):
    await kept(memory, *(f"report number {number}: the server is fine" for number in range(30)))
    await kept(memory, "the disk of a machine is full")
    assert (await found(memory, "is the server's disk fine, says the report"))[
        0
    ] == "the disk of a machine is full"


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Рейсы из Берлина задерживаются", "что с рейсом из берлина?"),
        ("Ёлка стоит в углу", "где елка"),
        ("The flights were cancelled", "flight cancellation"),
        ("Die Straße ist gesperrt", "STRASSE"),
        ("会議は三時に始まります", "会議はいつ"),
        ("ราคาตั๋วเครื่องบิน", "ตั๋ว"),
        ("ﬁle №5", "file"),
    ],
)
async def test_words_are_found_in_any_language_and_form(memory, said, asked):
    await kept(memory, said, CAT)
    assert (await found(memory, asked))[0] == said[:40].strip()


@pytest.mark.parametrize(
    "asked",
    [
        "",
        " \n",
        '"',
        "words:flight",
        "flight OR",
        "NEAR(flight gate, 5)",
        "flight*",
        "^flight",
        "{words}: flight",
        "flight & | ! <-> ()",
        "'; DROP TABLE scenes; --",
        "\\",
        "\0flight",
        "\ud800 flight",
        "flight " * 10_000,
        ":flight %s {0}",
    ],
)
async def test_no_question_is_read_as_a_language(memory, asked):
    await kept(memory, FLIGHT)
    assert await found(memory, asked) in ([], [FLIGHT[:40].strip()])
    assert ("flight" in asked) is bool(await found(memory, asked))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.text(min_size=1, max_size=60), asked=st.text(max_size=60))
async def test_any_text_can_be_remembered_and_asked(memory, said, asked):
    await memory.put([scene(said, gist="", facts=())], [source(said)])
    await memory.search(Wanted("a", asked))
    assert await memory.original("a", hash_of(said)) == said


async def test_what_is_looked_for_may_be_narrowed(memory):
    await kept(memory, "cat one", kind="log")
    await kept(memory, "cat two", session="other")
    await kept(memory, "cat three")
    both: dict[str, Any] = {"vector": vector(1, 1), "encoder": ENCODER}
    for members, wanted in (
        ({"session": "s"}, {"cat one", "cat three"}),
        ({"kinds": frozenset(["log"])}, {"cat one"}),
        ({"kinds": frozenset(["dialogue", "log"]), "session": "other"}, {"cat two"}),
        ({"kinds": frozenset()}, set()),
        ({"session": "nobody's"}, set()),
    ):
        assert set(await found(memory, "cat", **members)) == wanted
        assert set(await found(memory, "cat", **both, **members)) == wanted
    assert len(await found(memory, "cat", limit=2)) == 2
    assert await found(memory, "cat", limit=0) == []
    assert len(await found(memory, "cat", limit=10**9)) == 3


# vectors


async def test_the_nearest_vectors_are_found_first(memory):
    for number, said in enumerate(["north", "north-east", "east", "south"]):
        towards = [(0, 1), (1, 1), (1, 0.1), (0, -1)][number]
        await kept(memory, said, encoder=ENCODER, vector=vector(*towards))
    await kept(memory, "has none")
    hits = await memory.search(Wanted("a", "", vector=vector(0.1, 1), encoder=ENCODER))
    assert texts(hits) == ["north", "north-east", "east"]
    assert {hit.by for hit in hits} == {("vector",)}


async def test_only_vectors_of_the_same_encoder_and_length_are_compared(memory):
    await kept(memory, "one", encoder="one@1", vector=vector(1, 0))
    await kept(memory, "two", encoder="two@1", vector=vector(1, 0))
    await kept(memory, "three", encoder="one@1", vector=vector(1, 0, 0))
    assert await found(memory, "", vector=vector(1, 0), encoder="one@1") == ["one"]
    assert await found(memory, "", vector=vector(1, 0, 0), encoder="one@1") == ["three"]
    assert await found(memory, "", vector=vector(1, 0), encoder="three@1") == []
    assert await found(memory, "", vector=vector(1, 0)) == []


async def test_what_both_ways_find_comes_first(memory):
    await kept(memory, "the cat sleeps", encoder=ENCODER, vector=vector(0, 1))
    await kept(memory, "the cat eats", encoder=ENCODER, vector=vector(1, 0.1))
    await kept(memory, "a dog barks", encoder=ENCODER, vector=vector(1, 0))
    hits = await memory.search(Wanted("a", "cat", vector=vector(1, 0), encoder=ENCODER))
    assert (hits[0].scene.gist, hits[0].by) == ("the cat eats", ("words", "vector"))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_what_another_worker_puts_or_forgets_is_known_at_once(opener):
    one, two = opener(), opener()
    asked = Wanted("a", "", vector=vector(1, 1), encoder=ENCODER)
    members: dict[str, Any] = {"encoder": ENCODER, "vector": vector(1, 1)}
    for number in range(40):
        await kept((one, two)[number % 2], f"said {number}", **members)
        assert len(await one.search(asked)) == len(await two.search(asked)) == min(number + 1, 10)
    many = Wanted("a", "", vector=vector(1, 1), encoder=ENCODER, limit=200)
    assert len(await one.search(many)) == 40
    assert await two.forget("a", id=scene("said 3").id) == 1
    assert "said 3" not in texts(await one.search(many))
    assert await one.forget("a", "s") == 39
    assert await two.search(asked) == []
    await kept(one, "again", **members)
    assert await found(two, "", vector=vector(1, 1), encoder=ENCODER) == ["again"]


async def test_vectors_above_the_bound_are_read_page_by_page_and_found_alike(opener, monkeypatch):
    monkeypatch.setattr("app.memory.vector_index.PAGE", 3)
    small, large = opener(most_vector_bytes=64), opener()
    for number in range(10):
        await kept(large, f"said {number}", encoder=ENCODER, vector=vector(1, number))
    asked = Wanted("a", "", vector=vector(1, 4), encoder=ENCODER)
    assert texts(await small.search(asked)) == texts(await large.search(asked))
    assert small._vectors.shelves.bytes <= 64


async def test_what_is_held_of_vectors_has_a_bound(opener):
    memory = opener(most_vector_bytes=600)
    for number in range(8):
        tenant = f"t{number}"
        for each in range(5):
            await kept(
                memory, f"{tenant} {each}", tenant=tenant, encoder=ENCODER, vector=vector(1, each, 0, 0)
            )
    for tenant in ("t0", "t1", "t7", "t0", "t3"):
        assert len(await found(memory, "", tenant=tenant, vector=vector(1, 1, 1, 1), encoder=ENCODER)) == 5
    assert memory._vectors.shelves.bytes <= 600


# what others took the place of


async def test_facts_that_others_took_the_place_of_say_until_when_and_both_stay(memory):
    [old] = await kept(memory, "The flight leaves at 17:40.")
    new = superseding("The flight leaves at 18:05.", old, created="2027-01-16T08:00:00Z")
    newer = superseding("The flight leaves at 19:00.", old, created="2027-01-15T20:00:00.5Z")
    await memory.put(
        [new, newer], [source("The flight leaves at 18:05."), source("The flight leaves at 19:00.")]
    )
    read = await memory.scenes("a", "s")
    assert {fact.until for fact in read[0].facts} == {newer.created}
    assert read[1:] == [new, newer]
    assert [fact.text for fact in read[0].facts] == [fact.text for fact in old.facts]
    assert old.id not in [hit.scene.id for hit in await memory.search(Wanted("a", "flight"))]
    hits = await memory.search(Wanted("a", "flight", superseded=True))
    assert {fact.until for hit in hits if hit.scene.id == old.id for fact in hit.scene.facts} == {
        newer.created
    }


async def test_a_fact_that_ended_already_keeps_its_end(memory):
    span = Span(hash_of(FLIGHT), 0, 3)
    earlier = Fact("number", "The", span, until="2026-01-01T00:00:00Z")
    [old] = await kept(memory, FLIGHT, facts=(earlier, Fact("number", "The", span)))
    await memory.put([superseding(CAT, old)], [source(CAT)])
    [read, _] = await memory.scenes("a", "s")
    assert [fact.until for fact in read.facts] == ["2026-01-01T00:00:00Z", CREATED]


async def test_it_does_not_matter_which_of_the_two_came_first(memory):
    old = scene("The flight leaves at 17:40.")
    await memory.put(
        [superseding("The flight leaves at 18:05.", old)], [source("The flight leaves at 18:05.")]
    )
    await memory.put([old], [source("The flight leaves at 17:40.")])
    assert await found(memory, "flight leaves") == ["The flight leaves at 18:05."]


@pytest.mark.parametrize("first", ["old", "new"])
async def test_what_is_trusted_less_takes_nobodys_place_whichever_came_first(memory, first):
    old = scene("The flight leaves at 17:40.")
    said = "The flight leaves at 18:05, says the page."
    new = superseding(said, old, trust="tool")
    puts = {"old": (old, source("The flight leaves at 17:40.")), "new": (new, source(said, "tool"))}
    for name in (first, "new" if first == "old" else "old"):
        await memory.put([puts[name][0]], [puts[name][1]])
    assert "The flight leaves at 17:40." in await found(memory, "flight leaves")
    assert all(fact.until is None for fact in (await memory.scene("a", old.id)).facts)


async def test_new_scenes_are_numbered_on_in_their_session_whoever_keeps_them(memory):
    names = [f"Lamp number {number}." for number in range(6)]
    await asyncio.gather(
        *(memory.put([scene(each, delta="Δ1")], [source(each)], numbered=True) for each in names)
    )
    assert sorted(each.delta for each in await memory.scenes("a", "s")) == [
        f"Δ{number}" for number in range(1, 7)
    ]
    await memory.forget("a", id=scene(names[0]).id)
    other = [scene("A cat.", delta="Δ1"), scene("A dog.", session="t", delta="Δ1")]
    await memory.put(other, [source("A cat."), source("A dog.")], numbered=True)
    deltas = [each.delta for each in await memory.scenes("a", "s")]
    assert len({*deltas}) == len(deltas) == 6
    assert [each.delta for each in await memory.scenes("a", "t")] == ["Δ1"]


async def test_vectors_of_what_others_took_the_place_of_are_left_out_too(memory):
    members: dict[str, Any] = {"encoder": ENCODER, "vector": vector(1, 1)}
    [old] = await kept(memory, "old", **members)
    assert await found(memory, "", **members) == ["old"]
    new = superseding("new", old, **members)
    await memory.put([new], [source("new")])
    assert await found(memory, "", **members) == ["new"]
    assert await found(memory, "", session="s", **members) == ["new"]
    assert set(await found(memory, "", superseded=True, **members)) == {"old", "new"}
    await memory.forget("a", id=new.id)
    assert await found(memory, "", **members) == ["old"]


async def test_a_scene_cannot_take_its_own_place_nor_that_of_another_tenants(memory):
    itself = scene(FLIGHT)
    await memory.put(
        [msgspec.structs.replace(itself, links=(Link("supersedes", itself.id),))], [source(FLIGHT)]
    )
    await memory.put([superseding(CAT, itself, tenant="b")], [source(CAT)])
    assert await found(memory, "flight") == [FLIGHT[:40].strip()]
    assert all(fact.until is None for fact in (await memory.scenes("a", "s"))[0].facts)


# whose it is


async def test_nothing_of_one_tenant_is_told_to_another(memory, opener):
    members: dict[str, Any] = {"encoder": ENCODER, "vector": vector(1, 1)}
    [mine] = await kept(memory, FLIGHT, **members)
    workers = [memory, opener()]
    await workers[1].search(Wanted("a", "flight", **members))
    for tenant in ("b", "A", "a ", "%", "_", "a' OR '1'='1", "*", "a/vectors@1"):
        for worker in workers:
            assert await worker.search(Wanted(tenant, FLIGHT, **members, superseded=True)) == []
            assert await worker.search(Wanted(tenant, FLIGHT, session="s", **members)) == []
            assert await worker.scenes(tenant, "s") == []
            assert await worker.original(tenant, hash_of(FLIGHT)) is None
            assert await worker.forget(tenant, "s") == 0
            assert await worker.forget(tenant, id=mine.id) == 0
            with pytest.raises(BadRequest, match="neither given nor remembered"):
                await worker.put([scene(FLIGHT, tenant=tenant)], [])
    assert await memory.scenes("a", "s") == [mine]


async def test_the_same_scene_of_two_tenants_is_each_ones_own(memory):
    mine = scene(FLIGHT)
    theirs = msgspec.structs.replace(mine, tenant="b", gist="theirs")
    await memory.put([mine], [source(FLIGHT)])
    await memory.put([theirs], [source(FLIGHT)])
    assert await memory.scenes("a", "s") == [mine]
    assert await memory.scenes("b", "s") == [theirs]
    await memory.forget("a", id=mine.id)
    assert await memory.scenes("b", "s") == [theirs]
    assert await memory.original("b", hash_of(FLIGHT)) == FLIGHT
    assert await memory.original("a", hash_of(FLIGHT)) is None


async def test_what_other_tenants_have_does_not_change_an_order(memory):
    await kept(memory, "cat and dog", "cat and cat", "dog and dog", "cat or bird")
    before = await found(memory, "cat dog")
    for number in range(20):
        await kept(memory, f"cat {number}", tenant="b")
    assert await found(memory, "cat dog") == before


# what goes


async def test_what_is_forgotten_leaves_no_row(memory, store):
    members: dict[str, Any] = {"encoder": ENCODER, "vector": vector(1, 1)}
    [first, second] = await kept(memory, FLIGHT, CAT, **members)
    await memory.put([superseding(RENT, first, session="t")], [source(RENT)])
    await memory.put([scene(CAT, session="t")], [])
    assert await memory.forget("a", id=first.id) == 1
    assert await memory.original("a", hash_of(FLIGHT)) is None
    assert await memory.forget("a", "s") == 1
    assert await memory.original("a", hash_of(CAT)) == CAT  # another session has it
    assert await memory.forget("a", "t") == 2
    assert await memory.forget("a", "t") == 0
    assert set((await rows(store)).values()) == {0}
    assert await memory.put([second], [source(CAT)]) == 1


async def test_either_a_session_or_a_scene_is_forgotten(memory):
    for asked in (memory.forget("a"), memory.forget("a", "s", "i")):
        with pytest.raises(ValueError, match="either a session is forgotten, or a scene"):
            await asked


async def test_what_has_expired_is_seen_no_more_and_deleted_when_it_is_time(memory, store):
    members: dict[str, Any] = {"encoder": ENCODER, "vector": vector(1, 1)}
    await kept(memory, "cat gone", **members, expires=moment(NOW))
    [stays] = await kept(memory, "cat stays", **members, expires=moment(NOW + 1))
    await kept(memory, "cat of b", tenant="b", expires=moment(NOW - 5))
    assert await found(memory, "cat", **members) == ["cat stays"]
    assert await found(memory, "cat", session="s", **members) == ["cat stays"]
    assert await memory.scenes("a", "s") == [stays]
    assert await memory.original("a", hash_of("cat gone")) is None
    assert await memory.expire(NOW) == 2
    assert set((await rows(store)).values()) == {1, 0}
    assert await memory.expire(NOW) == 0
    assert await memory.expire(NOW + 1) == 1
    assert set((await rows(store)).values()) == {0}


async def test_many_expire_in_several_goes(memory, store):
    said = [f"number {number}" for number in range(AT_ONCE * 2 + 1)]
    scenes = [scene(each, expires=moment(NOW)) for each in said]
    await memory.put(scenes, [source(each) for each in said])
    assert await memory.expire(NOW) == len(said)
    assert set((await rows(store)).values()) == {0}
    assert await counts(store) == (0, 0)


# many at once


async def test_writers_of_one_tenant_wait_for_each_other_and_lose_nothing(opener, store):
    numbers = count()

    async def write(memory):
        for _ in range(5):
            said = f"said {next(numbers)}"
            await memory.put([scene(said), scene("shared")], [source(said), source("shared")])

    await asyncio.gather(*(write(opener()) for _ in range(4)))
    assert len(await opener().scenes("a", "s")) == 21
    assert (await counts(store))[0] == 21


async def test_readers_see_whole_scenes_while_others_write_and_forget(opener):
    done = asyncio.Event()
    members: dict[str, Any] = {"encoder": ENCODER, "vector": vector(1, 1)}

    async def write(memory):
        for number in range(15):
            await kept(memory, f"cat {number}", **members)
            if number % 3 == 2:
                await memory.forget("a", id=scene(f"cat {number}").id)
        done.set()

    async def read(memory):
        while not done.is_set():
            for hit in await memory.search(Wanted("a", "cat", **members)):
                assert hit.scene.vector == members["vector"]

    await asyncio.gather(write(opener()), read(opener()), read(opener()))
    assert len(await opener().search(Wanted("a", "", **members, limit=100))) == 10


async def test_a_put_that_is_cancelled_anywhere_is_whole_or_not_at_all(memory, store):
    for turns in range(0, 60, 4):
        said = [f"said {turns} {number}" for number in range(3)]
        putting = asyncio.ensure_future(kept(memory, *said))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        putting.cancel()
        await asyncio.wait([putting])
    scenes, _ = await counts(store) if await memory.scenes("a", "s") else (0, 0)
    assert scenes % 3 == 0
    assert len(await memory.scenes("a", "s")) == scenes
    async with store.database.reading() as connection:
        for table in (SCENES, SOURCES):
            assert len((await connection.execute(table.select())).all()) == scenes


async def test_a_scene_that_another_version_wrote_is_passed_over(memory, store, caplog):
    await kept(memory, "cat one", "cat two")
    async with store.database.writing() as connection:
        await connection.execute(
            SCENES.update().where(SCENES.c.id == scene("cat one").id).values(line=b'{"x": 1}')
        )
    assert await found(memory, "cat") == ["cat two"]
    assert [each.gist for each in await memory.scenes("a", "s")] == ["cat two"]
    assert "a scene in the database is damaged, and is passed over" in caplog.messages
