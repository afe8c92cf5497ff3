import json
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes.facts import counted
from scenes.former import Whose, grouped, text_of
from scenes.parsing import RESPONSE_FORMAT, Shown, Unverified, shown
from scenes.pieces import MOST_CHARACTERS, MOST_TOKENS, Turn
from scenes.scene import Scene, hash_of

WHOSE = Whose("ann", "s1", "2026-05-04T10:00:00Z")
TURNS = [
    Turn("Ann", "user", "Where is order A-77? It costs 45 €."),
    Turn("Bob", "assistant", "It left on 2026-05-03. Do not call the carrier!"),
    Turn("Ann", "user", "Good. Now the invoice."),
]


def answer(*scenes: dict[str, object]) -> bytes:
    return json.dumps({"scenes": scenes}).encode()


def scene(first: int, last: int, gist: int, **more: object) -> dict[str, object]:
    return {
        "first": first,
        "last": last,
        "gist": gist,
        "tension": None,
        "archetype": None,
        "registers": [],
        "keep": [],
        **more,
    }


def test_a_model_is_shown_sentences_and_facts_by_their_numbers():
    (part,) = shown(TURNS)
    assert part.text.splitlines() == [
        "[1] Ann: Where is order A-77? {1}=A-77",
        "[2] It costs 45 €. {2}=45 €",
        "[3] Bob: It left on 2026-05-03. {3}=2026-05-03",
        "[4] Do not call the carrier! {4}=not",
        "[5] Ann: Good.",
        "[6] Now the invoice.",
    ]


def test_numbers_become_scenes_and_every_word_is_copied_from_the_turns():
    (part,) = shown(TURNS)
    said = answer(
        scene(1, 4, 3, tension=1, archetype="report", registers=["function"], keep=[1, 3]), scene(5, 6, 6)
    )
    first, second = part.parsed(said, WHOSE, "llm:small")

    assert (first.gist, first.tension, first.archetype) == (
        "It left on 2026-05-03.",
        "Where is order A-77?",
        "report",
    )
    assert [fact.text for fact in first.facts if fact.must_keep] == ["A-77", "2026-05-03", "not"]
    assert (second.gist, second.delta, second.parser) == ("Now the invoice.", "Δ2", "llm:small")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"not json", "not the JSON"),
        (answer(scene(2, 6, 3)), "begin with sentence 1"),
        (answer(scene(1, 3, 3)), "end before sentence 4"),
        (answer(scene(1, 6, 7)), "sentences of the scene"),
        (answer(scene(1, 7, 1)), "end before sentence 8"),
        (answer(scene(1, 6, 1, keep=[5])), "facts of their own"),
        (answer(scene(1, 6, 1, archetype="story")), "not the JSON"),
        (answer(scene(1, 6, 1, gist_text="It left on 2026-05-30.")), "not the JSON"),
        (answer(scene(1, 6, 1, tension=0)), "not the JSON"),
        (answer(), "end before sentence 1"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_the_place(said, why):
    (part,) = shown(TURNS)
    with pytest.raises(Unverified, match=why):
        part.parsed(said, WHOSE, "llm:small")


def test_what_is_asked_for_names_every_member_that_is_read():
    asked = RESPONSE_FORMAT["json_schema"]["schema"]["properties"]["scenes"]["items"]
    assert set(asked["required"]) == set(scene(1, 1, 1))


@given(
    st.lists(
        st.sampled_from([
            *("Pay 45 €.", "Do not go!", "Where is A-77?", "Yes.", "\n", "1.5", "v2.4.1 until 12.05.2026."),
            *('"No. Never!"', "...", "it is " * 200),
        ]),
        max_size=30,
    ),
    st.data(),
)
def test_whatever_a_model_answers_no_fact_is_changed(sentences, data):
    turns = [Turn("Ann", "user", " ".join(sentences))]
    told = counted("")
    for part in shown(turns):
        total = len(part.sentences)
        cuts = sorted(data.draw(st.sets(st.integers(1, total), max_size=4)) | {total})
        starts = [1, *[cut + 1 for cut in cuts[:-1]]]
        said = answer(*[scene(start, end, end) for start, end in zip(starts, cuts, strict=True)])
        for each in parsed(part, said):
            told.update((fact.kind, fact.text) for fact in each.facts)
            assert counted(text_of(each, {hash_of(turns[0].text): turns[0].text})) == Counter(
                (fact.kind, fact.text) for fact in each.facts
            )
    assert told == counted(turns[0].text)


def parsed(part: Shown, said: bytes) -> Sequence[Scene]:
    try:
        return part.parsed(said, WHOSE, "llm:small")
    except Unverified:  # a scene that is too long
        return [*grouped(part.sentences, WHOSE)]


def test_a_sentence_without_an_end_is_cut_so_that_any_answer_can_fit():
    (part,) = shown([Turn("Ann", "user", "Look: " + "QUJD" * 4000 + " and tell me")])
    assert max(each.size for each in part.sentences) <= MOST_CHARACTERS
    assert all(each.tokens_raw <= MOST_TOKENS for each in grouped(part.sentences, WHOSE))


def test_a_point_within_a_number_ends_no_sentence():
    (part,) = shown([Turn("Ann", "user", "The price is 4.25 euros and v2.4.1 is out. Buy.")])
    assert len(part.sentences) == 2
