"""Which limits hold for whom, and what may be asked for."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import estimate
from app.allowance import MOST, Allowance, Bound, Scope, usd
from app.contracts import Call, Caller, Route
from app.limits.rules import NO_LIMITS, Limits, Rule, Rules
from app.operations import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RERANK, RESPONSES, Operation
from app.users import counted, user_of
from app.wire import Request

HOURLY = Allowance(requests=(Bound(100, "hour"),))
ROUTE = Route("up", "model", "words", "configured")


def names(limits: Limits) -> dict[str, int]:
    return {limit.counter.name: limit.counter.limit for limit in limits.each}


def call(operation: Operation = CHAT, caller: Caller | None = None, **members: object) -> Call:
    body = {
        "model": "words",
        "messages": [{"role": "user", "content": "x" * 40}],
        "input": "x" * 40,
    } | members
    return Call(
        "1", operation, Request.parse(msgspec.json.encode(body), operation), caller or Caller("a"), (), 0.0
    )


def test_without_rules_a_caller_without_an_allowance_has_no_limits():
    assert Rules(()).limits(Caller("a"), "words", "") is NO_LIMITS


def test_each_scope_counts_apart():
    rules = Rules([Rule(scope, HOURLY) for scope in get_args(Scope)])

    assert list(names(rules.limits(Caller("a"), "words", "u"))) == [
        "requests:hour:key:a",
        "requests:hour:key+model:a:words",
        "requests:hour:user:a:u",
        "requests:hour:model:words",
        "requests:hour:everyone:",
    ]


def test_a_keys_own_allowance_stands_in_the_place_of_what_every_key_may():
    rules = Rules([Rule("key", Allowance(requests=(Bound(100, "hour"),), concurrent=3))])
    own = Caller("a", allowance=Allowance(requests=(Bound(5, "minute"), Bound(500, "day"))))

    assert names(rules.limits(own, "words", "")) == {
        "requests:minute:key:a": 5,
        "requests:day:key:a": 500,
        "calls:key:a": 3,
    }


def test_of_two_rules_for_the_same_thing_the_tighter_one_holds():
    rules = Rules([Rule("model", HOURLY), Rule("model", Allowance(requests=(Bound(7, "hour"),)))])

    assert names(rules.limits(Caller("a"), "words", "")) == {"requests:hour:model:words": 7}


def test_a_rule_for_some_models_counts_those_alone_and_beside_what_a_key_may():
    few = Allowance(requests=(Bound(1, "hour"),))
    rules = Rules([Rule("key", few, frozenset({"b", "a"})), Rule("everyone", few, frozenset({"a"}))])
    own = Caller("k", allowance=HOURLY)

    assert names(rules.limits(own, "other", "")) == {"requests:hour:key:k": 100}
    assert names(rules.limits(own, "a", "")) == {
        "requests:hour:key:k": 100,
        "requests:hour:key:k:only:a,b": 1,
        "requests:hour:everyone::only:a": 1,
    }


def test_a_short_lived_key_has_its_own_limits_and_those_of_the_key_that_made_it():
    grant = Caller("a", allowance=HOURLY, grant="g1", grant_allowance=Allowance(requests=(Bound(3, "hour"),)))

    assert names(Rules(()).limits(grant, "words", "")) == {
        "requests:hour:key:a": 100,
        "requests:hour:grant:a:g1": 3,
    }


def test_a_caller_whose_allowance_changed_has_the_new_one():
    rules = Rules(())
    before = rules.limits(Caller("a", allowance=HOURLY), "words", "")
    after = rules.limits(Caller("a", allowance=Allowance(concurrent=1)), "words", "")

    assert [list(names(each)) for each in (before, after)] == [["requests:hour:key:a"], ["calls:key:a"]]


def test_what_is_known_of_callers_has_a_bound():
    rules = Rules([Rule("user", HOURLY)])
    caller = Caller("a")
    for number in range(11_000):
        rules.limits(caller, "words", str(number))

    assert len(rules._known) == 10_000


@pytest.mark.parametrize(
    ("members", "user"),
    [
        ({"user": "u1"}, "u1"),
        ({"safety_identifier": "s1"}, "s1"),
        ({"user": 5}, ""),
        ({"user": None, "metadata": {"user_id": "m1"}}, "m1"),
        ({"metadata": "none"}, ""),
        ({"user": 10**400, "metadata": {"a": 10**400}}, ""),
        ({}, ""),
    ],
)
def test_a_call_names_its_user_in_one_of_three_places(members, user):
    asked = call(MESSAGES, **members)
    assert user_of(asked.request, asked.caller) == user


def test_a_caller_that_is_bound_to_a_user_is_that_user_whatever_it_says():
    assert user_of(call(user="other").request, Caller("a", user="bound")) == "bound"


@given(st.text())
def test_a_users_name_in_the_counters_is_short_and_not_the_name(name):
    assert len(counted(name)) <= 18
    assert counted("") == "-"


WORDS = "word" * 100


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        (CHAT, {"messages": [{"role": "user", "content": WORDS}]}),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": WORDS}]}]}),
        (CHAT, {"messages": [{"tool_calls": [{"id": "a", "function": {"arguments": WORDS}}]}]}),
        (CHAT, {"messages": [{"function_call": {"arguments": WORDS}}]}),
        (CHAT, {"messages": [{"role": "assistant", "content": None, "reasoning_content": WORDS}]}),
        (CHAT, {"tools": ["x" * 396]}),
        (COMPLETIONS, {"prompt": WORDS[:200], "suffix": WORDS[:200]}),
        (COMPLETIONS, {"prompt": [7] * 100}),
        (MESSAGES, {"system": WORDS}),
        (
            MESSAGES,
            {"messages": [{"content": [{"type": "tool_use", "input": {WORDS[:200]: [WORDS[:200]]}}]}]},
        ),
        (MESSAGES, {"messages": [{"content": [{"type": "tool_result", "content": WORDS}]}]}),
        (MESSAGES, {"messages": [{"content": [{"type": "thinking", "thinking": WORDS}]}]}),
        (RESPONSES, {"input": [{"type": "function_call_output", "output": WORDS}]}),
        (RESPONSES, {"input": [{"type": "custom_tool_call", "input": WORDS}]}),
        (RESPONSES, {"input": [{"type": "reasoning", "summary": [{"text": WORDS}]}]}),
        (RERANK, {"query": WORDS[:200], "documents": [WORDS[:100], {"text": WORDS[:100]}]}),
    ],
)
def test_a_prompt_has_the_tokens_of_all_that_its_operation_names_as_text(operation, members):
    found = estimate.input_tokens(call(operation, **({"messages": [], "input": []} | members)))

    assert found == 100


def test_what_is_no_text_of_a_prompt_has_no_tokens():
    sound = {"type": "input_audio", "input_audio": {"data": WORDS}}
    asked = call(messages=[{"content": [sound]}], input=[], metadata={"content": WORDS})

    assert estimate.input_tokens(asked) == 0


@pytest.mark.parametrize("name", ["content", "input"])
def test_a_prompt_as_deep_as_may_be_is_counted(name):
    deep: object = "word"
    for _ in range(490):
        deep = {name: deep}

    assert estimate.input_tokens(call(messages=[deep], input=[])) > 0


@pytest.mark.parametrize(
    ("members", "tokens"),
    [
        ({"max_tokens": 100}, 100),
        ({"max_completion_tokens": 50, "max_tokens": 100}, 50),
        ({"max_tokens": 100, "n": 3}, 300),
        ({}, 1024),
        ({"max_tokens": "many"}, 1024),
        ({"max_tokens": -5}, 1024),
        ({"max_tokens": 999999999999999, "n": 999999999999999}, 10**9),
    ],
)
def test_an_answer_may_have_as_many_tokens_as_the_client_allows(members, tokens):
    assert estimate.output_tokens(call(**members), ROUTE, 1024) == tokens


def test_a_model_has_its_own_bound_where_the_client_sets_none():
    route = Route("up", "model", "words", "configured", {"max_tokens": b"800"})

    assert estimate.output_tokens(call(), route, 1024) == 800


def test_an_operation_that_writes_nothing_has_no_tokens_of_output():
    assert estimate.output_tokens(call(EMBEDDINGS), ROUTE, 1024) == 0


@given(st.integers(1, MOST) | st.integers(10**14, MOST))
def test_money_is_written_as_it_is_read(nano):
    assert Bound.parse(f"{usd(nano)}/day", "usd").amount == nano


@given(st.integers(1, 10**12), st.sampled_from(["minute", "hour", "day", "month"]))
def test_a_bound_is_written_as_it_is_read(amount, period):
    bound = Bound.parse(f"{amount}/{period}", "requests")

    assert Bound.parse(bound.written("requests"), "requests") == bound == Bound(amount, period)


@pytest.mark.parametrize(
    "text", ["", "5", "5/week", "0/day", "-1/day", "1.5/day", "1e3/day", "99999999999999999/day"]
)
def test_a_bound_that_is_none_is_told_what_would_be_one(text):
    with pytest.raises(ValueError, match=r"must be .*(like 100/hour|at most)"):
        Bound.parse(text, "requests")
