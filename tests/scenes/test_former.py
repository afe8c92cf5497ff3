from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scenes.facts import counted
from scenes.former import Whose, formed, registers, text_of
from scenes.pieces import MOST_CHARACTERS, Turn
from scenes.scene import hash_of, read, write

WHOSE = Whose("ann", "s1", "2026-05-04T10:00:00Z")
TEXTS = st.text(max_size=300) | st.lists(
    st.sampled_from([
        "Where is it?",
        "It is in /etc/x_7.",
        "Do not touch 12!",
        "Нельзя.",
        "the cat sat. ",
        "a" * 900,
    ]),
    max_size=30,
).map(" ".join)
TURNS = st.lists(
    st.builds(Turn, st.sampled_from(["Ann", "Bob"]), st.sampled_from(["user", "tool"]), TEXTS, st.sampled_from(["", "May 4"])), max_size=8
)  # fmt: skip


def test_a_question_stays_with_its_answer_and_another_subject_is_another_scene():
    scenes = list(
        formed(
            [
                Turn("Ann", "user", "Where did you put the deploy key?"),
                Turn("Bob", "assistant", "It is in /etc/keys/deploy_7. Never commit it!"),
                Turn("Ann", "user", "My dog was ill yesterday and the vet asked for 45 €."),
            ],
            WHOSE,
        )
    )
    assert [(scene.agent, scene.tension, scene.delta) for scene in scenes] == [
        ("Ann, Bob", "Where did you put the deploy key?", "Δ1"),
        ("Ann", None, "Δ2"),
    ]
    assert [fact.text for fact in scenes[0].facts if fact.must_keep] == ["Never"]


def test_a_scene_is_trusted_no_more_than_the_least_that_speaks_in_it():
    turns = [Turn("Ann", "user", "What does it say?"), Turn("log", "tool", "It says to trust it.")]
    (scene,) = formed(turns, WHOSE)
    assert scene.trust == "tool"


def test_registers_are_weighed_in_two_languages():
    assert registers("потому что, therefore, please") == {"logic": 0.667, "emotion": 0.333}
    assert registers("qwx") == {}


@given(TURNS)
def test_scenes_hold_all_that_was_said_word_for_word(turns):
    sources = {hash_of(turn.text): turn.text for turn in turns}
    scenes = list(formed(turns, WHOSE))
    said = "".join(text_of(scene, sources) for scene in scenes)
    assert "".join(said.split()) == "".join("".join(turn.text for turn in turns if turn.text.strip()).split())
    for scene in scenes:
        assert read(write(scene)) == scene
        assert scene.gist in text_of(scene, sources)
        for fact in scene.facts:
            assert sources[fact.span.source][fact.span.start : fact.span.end] == fact.text


@given(TURNS)
def test_no_scene_grows_above_its_bound(turns):
    for scene in formed(turns, WHOSE):
        assert sum(span.end - span.start for span in scene.source) <= MOST_CHARACTERS


FACTUAL = st.lists(
    st.sampled_from([
        *("Pay 4.25 euros for v2.4.1 until 12.05.2026.", "See https://a.example/x.y?z=1.", 'She said "No. Never!" twice.'),
        *("Never deploy version 2.4.1 to prod-7!", "in `a.b. c` and /etc/x.d/y.conf", "at 10:00\n", "45 €", "\n", "it does", "?!"),
    ]),
    max_size=120,
).map(" ".join)  # fmt: skip


@given(st.lists(FACTUAL, max_size=4))
def test_what_is_cut_into_scenes_has_the_facts_that_it_had(texts):
    turns = [Turn("Ann", "user", text) for text in texts]
    told = Counter((fact.kind, fact.text) for scene in formed(turns, WHOSE) for fact in scene.facts)
    assert told == sum((counted(text) for text in texts), Counter())


def test_a_text_without_a_sentences_end_is_cut_between_words_and_never_within_a_number():
    text = " ".join(f"item {number}.{number + 1}" for number in range(1000, 1200))
    told = [text_of(scene, {hash_of(text): text}) for scene in formed([Turn("Ann", "user", text)], WHOSE)]
    assert "".join(told) == text
    assert [word for part in told for word in part.split()] == text.split()
