"""The codec of scenes by its properties: what stays, what comes back, and that a prompt that grows keeps its beginning."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import config
from app.codecs.memo import Memo
from app.codecs.methods import Methods
from app.codecs.scenes import Scenes, Shortened
from app.codecs.vocabularies import Vocabularies
from app.operations import CHAT
from app.wire import Request
from scenes.forms import decoded
from scenes.rough import ROUGH
from tests.scenes.phrases import PHRASES, repeated

ROWS = [{"id": n, "name": f"part {n}", "state": "ready"} for n in range(30)]
TABLE = json.dumps(ROWS)
LOG = "\n".join(
    f"10:{n:02} INFO web.Front: request {900 + n} of the shop was answered in {n} ms" for n in range(30)
)
OTHER = LOG.replace("web.Front", "db.Pool").replace("was answered", "waited for a connection")
AGAIN, ONCE_MORE = repeated(), repeated(6)
CODED = "[codes lines=2 legend=1 each §code stands for the phrase after its =]\n§ab=x\n§ab"
TEXTS = st.sampled_from(
    [TABLE, LOG, OTHER, AGAIN, ONCE_MORE, CODED, "short", f"see\n```json\n{TABLE}\n```\nand §ab", LOG[:900], json.dumps(ROWS[:9], indent=2)]
) | st.text(max_size=400)  # fmt: skip
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": TEXTS}), max_size=9
)  # fmt: skip


def codec() -> Scenes:
    return Scenes(Methods(config.Scenes(), Vocabularies()).of, Memo(10_000_000))


def encoded(messages: Sequence[Mapping[str, Any]], layer: Any, by: Scenes | None = None) -> Shortened:
    body = json.dumps({"model": "x", "messages": messages}).encode()
    return (by or codec()).encode(Request.parse(body, CHAT), "chat", "x", layer)


def messages_of(said: Shortened) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = said.request.members.value("messages")
    return found


@given(MESSAGES, st.sampled_from(["safe", "codebook"]), st.data())
@settings(max_examples=300)
def test_a_prompts_beginning_is_encoded_as_the_beginning_of_the_whole(messages, layer, data):
    whole = messages_of(encoded(messages, layer))
    count = data.draw(st.integers(0, len(messages)))
    assert messages_of(encoded(messages[:count], layer)) == whole[:count]


@given(MESSAGES, st.sampled_from(["safe", "codebook"]))
@settings(max_examples=300)
def test_it_is_the_same_in_every_process_and_the_second_time(messages, layer):
    once = codec()
    first = encoded(messages, layer, once)
    assert encoded(messages, layer, once).request.members.body == first.request.members.body
    assert encoded(messages, layer).request.members.body == first.request.members.body


@given(MESSAGES, st.sampled_from(["safe", "codebook"]))
@settings(max_examples=300)
def test_words_stay_and_data_comes_back(messages, layer):
    said = encoded(messages, layer)
    for before, after in zip(messages, messages_of(said), strict=True):
        if before["role"] in {"system", "assistant"} or before["content"] == after["content"]:
            assert before == after
        else:
            assert plain(decoded(after["content"])) == plain(before["content"])


def plain(text: str) -> str:
    """Without white space: what JSON may lose."""
    return "".join(text.split())


@given(MESSAGES, st.sampled_from(["safe", "codebook"]))
def test_a_prompt_with_nothing_to_save_stays_byte_for_byte_and_none_grows(messages, layer):
    body = json.dumps({"model": "x", "messages": messages}).encode()
    said = codec().encode(Request.parse(body, CHAT), "chat", "x", layer)
    after = messages_of(said)
    if not said.saving.forms:
        assert said.request.members.body == body
    for counter in ROUGH:
        assert sum(counter.count(each["content"]) for each in after) <= sum(
            counter.count(each["content"]) for each in messages
        )


@given(MESSAGES)
def test_no_code_has_two_phrases_in_one_prompt(messages):
    said = encoded(
        [*messages, {"role": "tool", "content": AGAIN}, {"role": "tool", "content": ONCE_MORE}], "codebook"
    )
    assert set(said.phrases.values()) >= set(PHRASES)
    legend: dict[str, str] = {}
    for message in messages_of(said):
        for line in message["content"].split("\n"):
            code, equals, phrase = line.partition("=")
            if equals and code in said.phrases:
                assert legend.setdefault(code, phrase) == phrase


def test_what_is_encoded_already_is_left_alone():
    first = encoded([{"role": "tool", "content": TABLE}], "codebook")
    again = encoded(messages_of(first), "codebook")
    assert messages_of(again) == messages_of(first)
    assert again.saving.tokens == 0


def codes_of(said: Shortened) -> set[str]:
    """Those that legends of its messages have."""
    lines = (line for message in messages_of(said) for line in str(message["content"]).split("\n"))
    return {line.partition("=")[0] for line in lines if line.startswith("§") and "=" in line}


@pytest.mark.parametrize("role", ["system", "user", "assistant", "tool"])
def test_what_looks_like_a_code_and_stands_before_a_part_names_no_phrase(role):
    [code, *_] = sorted(encoded([{"role": "tool", "content": AGAIN}], "codebook").phrases)
    written = {"role": role, "content": f"In our handbook {code} is the rule."}
    said = encoded([written, {"role": "tool", "content": AGAIN}], "codebook")

    assert code not in codes_of(said) | said.phrases.keys()
    assert said.phrases.keys() == codes_of(said)
    assert set(said.phrases.values()) >= set(PHRASES)


def test_so_it_is_where_a_tools_description_has_it():
    tool = {"role": "tool", "content": AGAIN}
    [code, *_] = sorted(encoded([tool], "codebook").phrases)
    body = {"model": "x", "messages": [tool], "tools": [{"description": f"Reads {code}"}]}
    for written in (json.dumps(body), json.dumps(body, ensure_ascii=False)):
        said = codec().encode(Request.parse(written.encode(), CHAT), "chat", "x", "codebook")
        assert code not in codes_of(said)


def test_a_code_that_a_later_message_writes_is_not_undone_and_names_no_phrase_again():
    tool = {"role": "tool", "content": AGAIN}
    first = encoded([tool], "codebook")
    [code, *_] = sorted(first.phrases)
    said = encoded([tool, {"role": "user", "content": f"What is {code}, please?"}, tool], "codebook")

    assert messages_of(said)[0] == messages_of(first)[0]
    assert code not in said.phrases
    assert f"\n{code}=" not in messages_of(said)[2]["content"]
    assert set(said.phrases.values()) >= set(PHRASES)


def test_a_form_that_would_end_the_fenced_block_it_stands_in_is_not_taken():
    rows = [{"name": "```" if n < 8 else f"v{n}", "state": "the same in every row"} for n in range(38)]
    text = f"Data:\n```json\n{json.dumps(rows)}\n```\nNow: never delete it."

    assert encoded([{"role": "user", "content": text}], "safe").saving.forms == {}
    assert encoded([{"role": "tool", "content": json.dumps(rows)}], "safe").saving.forms == {"table": 1}
