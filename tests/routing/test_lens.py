import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.continuation import continuation
from app.operations import (
    CHAT,
    COMPLETIONS,
    COUNT_TOKENS,
    DETOKENIZE,
    EMBEDDINGS,
    MESSAGES,
    OPERATIONS,
    RERANK,
    RESPONSES,
    TOKENIZE,
    Operation,
)
from app.routing.lens import lensed
from app.wire import Request
from tests.routing.asking import call

LENS = 'See "clearly".\nЛинза.'

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
PARTS = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}), max_size=3)
MESSAGE = st.fixed_dictionaries({
    "role": st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    "content": TEXTS | PARTS | st.none(),
}).flatmap(lambda message: st.dictionaries(TEXTS, JSON, max_size=2).map(lambda more: more | message))
STYLES = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def request(body: str | dict, operation: Operation = CHAT) -> Request:
    text = body if isinstance(body, str) else json.dumps(body)
    return Request.parse(text.encode(), operation)


def seen(body: str | dict, operation: Operation = CHAT, text: str = LENS) -> dict:
    return json.loads(lensed(request(body, operation), operation, text).members.body)


def messages(*given: object) -> dict:
    return {"model": "m", "messages": list(given)}


def raw_items(array: bytes | None) -> list[bytes]:
    return [bytes(item) for item in msgspec.json.decode(array or b"[]", type=list[msgspec.Raw])]


def system(content: object, role: str = "system") -> dict:
    return {"role": role, "content": content}


USER = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_system_s_first_message_begins_with_the_lens(role: str):
    found = seen(messages(system("Be kind.", role), USER))

    assert found["messages"] == [system(f"{LENS}\n\nBe kind.", role), USER]


def test_parts_get_one_more_in_front():
    own = {"type": "text", "text": "Be kind."}

    assert seen(messages(system([own]), USER))["messages"][0] == system([{"type": "text", "text": LENS}, own])
    assert seen(messages(system([]), USER))["messages"][0] == system([{"type": "text", "text": LENS}])


@pytest.mark.parametrize(
    "given",
    [
        [],
        [USER],
        [USER, system("later")],
        [system(None)],
        [{"role": "system"}],
        [{"role": 7}],
        ["text"],
        [{}],
    ],
    ids=str,
)
def test_without_a_system_s_text_in_front_there_is_a_new_message(given: list):
    assert seen(messages(*given))["messages"] == [system(LENS), *given]


@pytest.mark.parametrize(
    ("first", "content"),
    [
        ('{"role":"user", "role" : "system","content":"Be kind."}', f"{LENS}\n\nBe kind."),
        ('{"role":"system","content":"Be rude.","content":"Be kind.","x":{} }', f"{LENS}\n\nBe kind."),
        ('{"role":"system","content":null,"content":[],"x":1,"x":2}', [{"type": "text", "text": LENS}]),
    ],
)
def test_of_a_member_that_is_there_twice_the_last_one_counts(first: str, content: object):
    body = f'{{"model": "m", "messages": [ {first} , {{"role":"user","content":"Hi","content":"Ho"}}]}}'
    found = lensed(request(body), CHAT, LENS).members.body.decode()

    assert json.loads(found)["messages"][0]["content"] == content
    assert found.startswith(body[: body.index(first) + len(first) - 1])
    assert found.endswith(body[body.index(first) + len(first) :])


@pytest.mark.parametrize(
    "first",
    [
        '{"role":"user","role":"user","content":"Hi"}',
        '{"role":"system","role":"user","content":"Hi"}',
        '{"role":"system","content":"Hi","content":null}',
    ],
)
def test_a_message_that_is_not_the_system_s_stays_as_it_is_whatever_is_there_twice(first: str):
    body = f'{{"model": "m", "messages": [{first}]}}'
    new = json.dumps(system(LENS), ensure_ascii=False, separators=(",", ":"))

    found = lensed(request(body), CHAT, LENS).members.body.decode()

    assert found == body.replace(first, f"{new},{first}")


def test_a_first_message_of_very_many_members_gets_the_lens_as_well():
    first = system("Be kind.") | {f"x{number}": number for number in range(2000)}

    assert seen(messages(first))["messages"] == [first | {"content": f"{LENS}\n\nBe kind."}]


def test_instructions_begin_with_the_lens():
    asked = {"model": "m", "input": "Hi"}

    assert seen(asked, RESPONSES) == asked | {"instructions": LENS}
    assert seen(asked | {"instructions": None}, RESPONSES)["instructions"] == LENS
    assert seen(asked | {"instructions": "Be kind."}, RESPONSES)["instructions"] == f"{LENS}\n\nBe kind."


@pytest.mark.parametrize("operation", [MESSAGES, COUNT_TOKENS])
def test_the_system_of_anthropic_s_interface_begins_with_the_lens(operation: Operation):
    asked = messages(USER)
    part = {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}

    assert seen(asked, operation) == asked | {"system": LENS}
    assert seen(asked | {"system": "Be kind."}, operation)["system"] == f"{LENS}\n\nBe kind."
    assert seen(asked | {"system": [part]}, operation)["system"] == [{"type": "text", "text": LENS}, part]


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (COMPLETIONS, {"prompt": "Hi"}),
        (EMBEDDINGS, {"input": "Hi"}),
        (RERANK, {"query": "Hi", "documents": []}),
        (TOKENIZE, {"prompt": "Hi"}),
        (DETOKENIZE, {"tokens": []}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_has_no_system_text_stays_as_it_is(operation: Operation, body: dict):
    asked = request({"model": "m"} | body, operation)

    assert lensed(asked, operation, LENS) is asked


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_no_lens_changes_nothing(operation: Operation):
    body = {
        "model": "m",
        "messages": [],
        "prompt": "",
        "input": "",
        "query": "",
        "documents": [],
        "tokens": [],
    }
    asked = request(body, operation)

    assert lensed(asked, operation, "") is asked


@pytest.mark.parametrize("value", [7, {"text": "x"}, True])
def test_a_system_text_of_another_kind_is_left_to_the_upstream(value: object):
    assert seen(messages(USER) | {"system": value}, MESSAGES)["system"] == value
    assert seen({"model": "m", "instructions": value}, RESPONSES)["instructions"] == value
    assert seen(messages(system(value)))["messages"] == [system(value)]


@given(st.lists(MESSAGE, max_size=4), st.dictionaries(TEXTS, JSON, max_size=3), STYLES, TEXTS)
def test_everything_else_survives_byte_for_byte(given_messages, more, style, lens):
    body = json.dumps(more | messages(*given_messages), **style)
    for name in ("stream", "stream_options", "models"):
        if name in more:
            return
    asked = request(body)

    found = lensed(asked, CHAT, lens)

    assert found.model == asked.model
    before, after = raw_items(asked.members.raw("messages")), raw_items(found.members.raw("messages"))
    kept = len(before) - (len(after) == len(before) and bool(lens))
    assert after[len(after) - kept :] == before[len(before) - kept :]
    for name in asked.members.spans:
        if name != "messages":
            assert found.members.raw(name) == asked.members.raw(name)
    if len(after) == len(before) and before and lens:
        old, new = json.loads(before[0]), json.loads(after[0])
        assert {name: value for name, value in new.items() if name != "content"} == {
            name: value for name, value in old.items() if name != "content"
        }
        if isinstance(old["content"], str):
            assert new["content"] == f"{lens}\n\n{old['content']}"
        else:
            assert new["content"] == [{"type": "text", "text": lens}, *old["content"]]


@given(TEXTS, STYLES)
def test_the_client_s_own_text_keeps_its_bytes(text: str, style: dict):
    written = json.dumps(text, **style)
    body = f'{{"model": "m" , "messages" : [ {{ "role":"system","content" : {written} }} ]}}'

    found = lensed(request(body), CHAT, "L").members.body.decode()

    assert found == body.replace(f'"content" : {written}', f'"content" : "L\\n\\n{written[1:]}')


def test_escapes_that_the_client_wrote_stay_escapes():
    body = r'{"model": "m", "messages": [{"role": "system", "content": "\u0041\/\ud83d\ude00"}]}'

    found = lensed(request(body), CHAT, LENS).members.body.decode()

    assert r"\n\n\u0041\/\ud83d\ude00" in found


def test_an_answer_that_broke_is_gone_on_with_under_the_same_lens():
    asked = call(messages(system("Be kind."), USER))
    under = replace(asked, request=lensed(asked.request, CHAT, LENS))

    went_on = json.loads(continuation(under, "So far", 10, prefills=False).members.body)

    assert went_on["messages"][:2] == [system(f"{LENS}\n\nBe kind."), USER]
    assert went_on["messages"][2] == {"role": "assistant", "content": "So far"}


def test_ten_thousand_messages_stay_behind_the_lens():
    many = messages(*[USER] * 10_000)

    assert len(seen(many)["messages"]) == 10_001
