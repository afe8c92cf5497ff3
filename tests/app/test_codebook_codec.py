"""The codec of scenes with a codebook, by its properties: the same legend in every prompt, all data comes back, no code has two phrases."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.codecs.scenes import Scenes, Shortened
from app.operations import CHAT
from app.wire import Request
from scenes.codebook.adaptive import Adaptive
from scenes.codebook.book import Codebook, Entry
from scenes.forms import decoded
from tests.app.test_scenes_codec import LOG, OTHER, TABLE, codec, plain
from tests.scenes.codebook.made import REPETITIVE
from tests.scenes.phrases import PHRASES, repeated

BOOK = Codebook(
    "shop",
    1,
    None,
    (
        Entry("§ab", PHRASES[0], 9, "active"),
        Entry("§door", "INFO web.Front: request", 9, "retired"),
        Entry("§zz", "he stood at the door and did not dare to enter", 3, "active"),
    ),
)
LATER = BOOK.extended([Entry("§aa", PHRASES[1], 4, "active")])
SAID = "\n".join(f"{n * 2654435761 % 2**32:08x} {PHRASES[0]} {n * 40503 % 2**16:04x}" for n in range(1, 30))
"""Nothing in it comes again but the phrase."""
TEXTS = st.one_of(
    st.sampled_from([
        TABLE, LOG, OTHER, SAID, f"{SAID}§ab", f"see §door\n```\n{SAID}\n```\nand §ab", "§ab", "short", f"[book lines=1 shop@1]\n{SAID}",
        repeated(), repeated(6), repeated(7).replace(PHRASES[0], PHRASES[1]), json.dumps([{"text": PHRASES[0], "n": n} for n in range(40)]),
    ]),
    REPETITIVE.map(lambda text: text.encode("utf-8", "replace").decode()),
    st.text(),
)  # fmt: skip
MESSAGE = st.fixed_dictionaries({
    "role": st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    "content": TEXTS,
})
MESSAGES = st.lists(MESSAGE, min_size=1, max_size=8)


def encoded(
    messages: Sequence[Mapping[str, Any]], book: Codebook | None = BOOK, by: Scenes | None = None
) -> Shortened:
    body = json.dumps({"model": "x", "messages": messages}).encode()
    return (by or codec()).encode(Request.parse(body, CHAT), "chat", "x", "codebook", book)


def messages_of(said: Shortened) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = said.request.members.value("messages")
    return found


@given(MESSAGES, st.data())
@settings(max_examples=200, deadline=None)
def test_a_prompts_beginning_is_encoded_as_the_beginning_of_the_whole(messages, data):
    whole = messages_of(encoded(messages))
    count = data.draw(st.integers(1, len(messages)))
    begun = messages_of(encoded(messages[:count]))
    assert begun == whole[: len(begun)]


@given(MESSAGES)
@settings(max_examples=200, deadline=None)
def test_the_legend_stands_once_behind_the_system_text_and_all_else_comes_back(messages):
    said = messages_of(encoded(messages))
    if messages[0]["role"] in {"system", "developer"}:
        first, rest = {**messages[0], "content": f"{messages[0]['content']}\n\n{BOOK.legend}"}, messages[1:]
    else:
        first, rest = {"role": "system", "content": BOOK.legend}, messages
    assert said[0] == first
    assert len(said) == len(rest) + 1
    for before, after in zip(rest, said[1:], strict=True):
        if before["content"] != after["content"]:
            assert before["role"] in {"user", "tool"}
            assert plain(decoded(after["content"], BOOK)) == plain(before["content"])


@given(MESSAGES)
@settings(max_examples=200, deadline=None)
def test_it_is_the_same_in_every_process_and_the_second_time_and_beside_other_books(messages):
    one = codec()
    first = encoded(messages, by=one).request.members.body
    for book in (LATER, None):
        alone = encoded(messages, book).request.members.body
        assert encoded(messages, book, by=one).request.members.body == alone
    assert encoded(messages, by=one).request.members.body == first
    assert encoded(messages).request.members.body == first


@given(MESSAGES)
@settings(max_examples=100, deadline=None)
def test_no_code_has_two_phrases_in_one_prompt(messages):
    said = encoded([*messages, *({"role": "tool", "content": repeated(seed)} for seed in (5, 6))])
    written = {code for code in BOOK.phrases for each in messages if code in each["content"]}
    assert (
        said.phrases.items() >= {code: BOOK.phrases[code] for code in BOOK.phrases.keys() - written}.items()
    )
    for message in messages_of(said)[len(messages) :]:
        if message["content"].startswith("[codes "):
            assert said.phrases.items() >= Adaptive().phrases(message["content"]).items()


def test_the_cheapest_of_all_forms_is_taken():
    said = encoded([{"role": "tool", "content": each} for each in (TABLE, SAID, repeated())])
    markers = [each["content"].partition(" ")[0] for each in messages_of(said)[1:]]
    assert markers == ["[table", "[book", "[codes"]
    assert said.saving.forms == {"table": 1, "book": 1, "codes": 1}


def test_the_legends_tokens_are_part_of_the_bill():
    nothing = encoded([{"role": "user", "content": "Hi"}]).saving
    much = encoded([{"role": "tool", "content": SAID}]).saving

    assert nothing.tokens == -nothing.legend_tokens < 0
    assert much.tokens == much.before - much.after - much.legend_tokens > 0
    assert much.epoch == nothing.epoch == BOOK.digest[:12]


def test_a_book_that_is_only_read_any_more_has_no_legend_and_its_codes_are_still_known():
    retired = BOOK.with_status("retired")
    said = encoded([{"role": "tool", "content": SAID}], retired)

    assert messages_of(said)[0]["role"] == "tool"
    assert said.saving.legend_tokens == 0
    assert said.phrases.items() >= BOOK.phrases.items()


def test_a_code_of_the_book_that_somebody_else_wrote_is_not_undone_and_the_book_is_not_used_behind_it():
    result = {"role": "tool", "content": SAID}
    asked = {"role": "user", "content": "What is §ab?"}
    before, behind = encoded([asked, result]), encoded([result, asked])

    assert before.saving.forms == {"codes": 1}
    assert behind.saving.forms == {"book": 1}
    for said in (before, behind):
        assert "§ab" not in said.phrases
