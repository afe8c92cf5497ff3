from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contracts import Caller
from app.nodes import SHORT_BYTES
from app.operations import COMPLETIONS, MESSAGES, RESPONSES
from app.routing.features import features, shown
from app.routing.language import language
from app.usage import MAX_TOKENS
from tests.routing.asking import asking, call

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}


def test_the_text_is_what_the_user_said_last():
    seen = features(
        call({
            "model": "auto",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "first"},
                {"role": "assistant", "content": "well"},
                {"role": "user", "content": [{"type": "text", "text": "second"}, IMAGE]},
                {"role": "assistant", "content": None, "tool_calls": []},
                {"role": "tool", "content": "42"},
            ],
        })
    )

    assert (seen.text, seen.turns, seen.images) == ("second", 2, 1)


@pytest.mark.parametrize(
    ("operation", "member"),
    [
        (RESPONSES, {"input": "what is it?"}),
        (
            RESPONSES,
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "what is it?"}]}]},
        ),
        (COMPLETIONS, {"prompt": "what is it?"}),
        (MESSAGES, {"messages": [{"role": "user", "content": "what is it?"}]}),
    ],
)
def test_every_dialect_is_read(operation, member):
    assert features(call({"model": "auto", **member}, operation)).text == "what is it?"


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": SCHEMA}, "structured"),
        ({"response_format": {"type": "json_object"}}, "structured"),
        ({"guided_json": {}}, "structured"),
    ],
)
def test_what_a_model_must_be_able_to_do_is_seen(member, name):
    assert getattr(features(call(asking("x", **member))), name)
    assert not getattr(features(call(asking("x", tools=[], response_format={"type": "text"}))), name)


@pytest.mark.parametrize(
    "member", [{"tools": None}, {"functions": []}, {"guided_json": None}, {"structured_outputs": None}]
)
def test_what_is_sent_empty_asks_for_nothing(member):
    seen = features(call(asking("x", **member)))

    assert not seen.tools
    assert not seen.structured


@pytest.mark.parametrize("bound", [10**400, MAX_TOKENS + 1])
def test_a_bound_beyond_all_bounds_is_one_that_can_be_reckoned_with(bound):
    assert features(call(asking("x", max_tokens=bound))).answer_tokens == MAX_TOKENS


def test_an_image_that_a_tool_answered_with_is_seen():
    answered = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {}}]}
    body = {"model": "auto", "messages": [{"role": "user", "content": [answered]}]}

    assert features(call(body, MESSAGES)).images == 1


@pytest.mark.parametrize("rest", ["", "word " * 20_000])
def test_what_a_long_request_asks_for_is_seen_as_in_a_short_one(rest):
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"description": rest}}}
    tool = {"type": "function", "function": {"name": "x", "description": rest}}
    seen = features(call(asking(rest + "why?", response_format=schema, tools=[tool])))
    responses = features(call({"model": "auto", "input": "x", "text": {"format": schema}}, RESPONSES))

    assert seen.tools
    assert seen.structured
    assert responses.structured
    assert seen.text.endswith("why?")


@pytest.mark.parametrize(
    "text", ["look:\n```python\nprint(1)\n```", "Traceback (most recent call last):\n  x"]
)
def test_a_block_of_code_is_seen(text):
    assert features(call(asking(text))).code


def test_a_backtick_in_a_sentence_is_no_block_of_code():
    assert not features(call(asking("what does `ls` do, and what is ``` for?"))).code


@pytest.mark.parametrize("space", ["\n", "\r\n", " ", "\t", " \n"])
def test_white_space_without_end_takes_no_time(space):
    began = perf_counter()
    seen = features(call(asking(space * SHORT_BYTES)))

    assert not seen.code
    assert perf_counter() - began < 2


def test_the_turns_of_one_conversation_have_one_name():
    first = asking("hello")
    second = {
        **first,
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "hi"},
            {"role": "user", "content": "more"},
        ],
    }

    names = {features(call(body)).conversation for body in (first, second)}
    others = {
        features(call(asking("hello!"))).conversation,
        features(call(first, caller=Caller("another"))).conversation,
        features(call({**first, "hyperbridge": {"conversation": "c1"}})).conversation,
    }

    assert len(names) == 1
    assert len(others) == 3
    assert not names & others


@pytest.mark.parametrize(
    ("operation", "system", "rest"),
    [
        (MESSAGES, "system", {"messages": [{"role": "user", "content": "hi"}]}),
        (RESPONSES, "instructions", {"input": "hi"}),
    ],
)
def test_conversations_under_another_system_text_are_others(operation, system, rest):
    names = {
        features(call({"model": "auto", **rest, **said}, operation)).conversation
        for said in ({}, {system: "be brief"}, {system: "be kind"})
    }

    assert len(names) == 3


def test_a_name_of_the_clients_holds_whatever_was_said():
    headers = {b"x-hyperbridge-conversation": b"c1"}

    assert (
        features(call(asking("a"), headers=headers)).conversation
        == features(call(asking("b", hyperbridge={"conversation": "c1"}))).conversation
    )


def test_what_is_shown_holds_no_text():
    assert "secret" not in str(shown(features(call(asking("a secret")))))


ODD = st.recursive(
    st.none() | st.booleans() | st.text() | st.sampled_from(["user", "text", "image", 10**400]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner, max_size=4)
    ),
)


@given(st.lists(ODD, max_size=5))
def test_no_list_of_messages_is_too_odd_to_be_seen(messages):
    try:
        seen = features(call({"model": "auto", "messages": messages}))
    except UnicodeEncodeError:
        return

    assert len(seen.text) <= SHORT_BYTES


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("What is the capital of France?", "en"),
        ("Посчитай коэффициент Шарпа для портфеля BTC", "ru"),
        ("Порівняй дві стратегії і поясни різницю", "uk"),
        ("Wie berechne ich die Rendite mit einem Kredit?", "de"),
        ("Quelle est la différence entre les deux méthodes ?", "fr"),
        ("¿Cuál es la diferencia entre los dos?", "es"),
        ("シャープレシオとは何ですか", "ja"),
        ("什么是夏普比率", "zh"),
        ("샤프 비율이 뭐예요", "ko"),
        ("", ""),
        ("12 + 30 = ?", ""),
    ],
)
def test_a_language_is_known_by_its_script_or_its_commonest_words(text, code):
    assert language(text) == code


def test_latin_names_do_not_make_a_russian_text_english():
    assert language("Сравни AAPL, MSFT, GOOGL и NVDA по P/E") == "ru"
