"""Calls that may be answered under several names: what they ask for, what they hold, and what is left of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.allowance import Allowance, Bound, Scope
from app.contracts import Call, Caller, Permit, Plan, Route
from app.errors import LimitReached, LimitsUnknown
from app.limits.claims import Claims
from app.limits.counters import Counters
from app.limits.limited import Limited
from app.limits.memory import Memory
from app.limits.rules import Rule, Rules
from app.limits.shared import Shared
from app.limits.surviving import Surviving
from app.operations import CHAT
from app.redis_connection import connect
from app.usage import Usage
from app.wire import Request
from tests.limits.conftest import Place

NAMES = ("asked", "gold", "silver")
ALLOWANCE = Allowance(
    requests=(Bound(10, "hour"),), tokens=(Bound(1000, "day"),), usd=(Bound(10**6, "month"),), concurrent=3
)
CALLER = Caller("a")
BODY = {"model": "asked", "max_tokens": 40, "messages": [{"role": "user", "content": "word " * 48}]}
"""60 tokens of prompt and 40 of answer, as the limiter reckons."""
PRICES = {"asked": 1, "gold": 100, "silver": 10}
WHOLE = Usage(60, 40)

all_rules = st.lists(
    st.builds(
        Rule,
        st.sampled_from(get_args(Scope)),
        st.sampled_from([
            ALLOWANCE,
            Allowance(requests=ALLOWANCE.requests),
            Allowance(tokens=ALLOWANCE.tokens),
        ]),
        st.frozensets(st.sampled_from(NAMES)),
    ),
    max_size=5,
)
amounts = st.tuples(st.integers(0, 2000), st.integers(0, 10**7))


def claims(rules: Sequence[Rule], most: Mapping[str, tuple[int, int]]) -> Claims:
    limits = {name: Rules(rules).limits(CALLER, name, "") for name in NAMES if name in most}
    return Claims({name: (each, each.amounts(*most[name])) for name, each in limits.items()})


@given(all_rules, st.fixed_dictionaries(dict.fromkeys(NAMES, amounts)))
def test_each_counter_is_asked_once_for_the_most_of_all_names_and_those_of_the_first_come_first(rules, most):
    asked = claims(rules, most)

    told = [counter.name for counter, _ in asked.demands]
    first, _ = asked.of_names["asked"]
    assert len(told) == len(set(told))
    assert told[: len(first.each)] == [counter.name for counter in first.counters]
    for counter, amount in asked.demands:
        assert amount == max(
            each
            for limits, own in asked.of_names.values()
            for known, each in zip(limits.counters, own, strict=True)
            if known == counter
        )


@given(all_rules, st.fixed_dictionaries(dict.fromkeys(NAMES, amounts)), st.data())
def test_a_refusal_costs_the_names_that_ask_the_most_and_the_call_where_the_first_asks_as_much(
    rules, most, data
):
    asked = claims(rules, most)
    if not asked.demands:
        return
    refused = data.draw(st.integers(0, len(asked.demands) - 1))

    left = asked.after(refused)

    counter, amount = asked.demands[refused]
    own = dict(claims(rules, {"asked": most["asked"]}).demands)
    assert (left is None) == (own.get(counter) == amount)
    if left is not None:
        assert left.first == "asked"
        assert len(left.of_names) < len(asked.of_names)
        assert dict(left.demands).get(counter, -1) < amount


@given(all_rules, st.dictionaries(st.sampled_from(NAMES), amounts))
def test_each_counter_is_charged_what_was_spent_under_its_names_and_a_call_is_one_request(rules, spent):
    asked = claims(rules, dict.fromkeys(NAMES, (100, 100)))

    used = dict(zip((counter for counter, _ in asked.demands), asked.used(spent), strict=True))

    for counter, charged in used.items():
        measure = counter.name.partition(":")[0]
        under = [spent[name] for name in spent if counter in asked.of_names[name][0].counters]
        tokens, nano_usd = (sum(each[place] for each in under) for place in (0, 1))
        assert charged == {"tokens": tokens, "usd": nano_usd}.get(measure, min(len(under), 1))


def limited(
    counters: Counters, *rules: Rule, refused: Callable[[str, str], None] = lambda *_: None
) -> Limited:
    return Limited(
        Rules(rules),
        counters,
        1024,
        lambda route, usage: PRICES[route.alias] * (usage.input_tokens + usage.output_tokens),
        refused,
    )


def call() -> Call:
    return Call("1", CHAT, Request.parse(msgspec.json.encode(BODY), CHAT), CALLER, (), 0.0)


def plan(*names: str) -> Plan:
    return Plan([Route("up", name, name, "configured") for name in names])


def admitted(permit: Permit) -> Sequence[str]:
    return [route.alias for route in permit.plan.routes]


async def ask(limiter: Limited, *names: str, tried: Sequence[str] = ()) -> Sequence[str]:
    """The names under which a call is admitted that is tried under some of them."""
    async with limiter.admit(call(), plan(*names)) as permit:
        for name in tried or names[:1]:
            permit.settle(name, WHOLE, 100 * PRICES[name])
        return admitted(permit)


def once(scope: Scope, *models: str) -> Rule:
    return Rule(scope, Allowance(requests=(Bound(1, "hour"),)), frozenset(models))


async def test_a_name_whose_own_limit_is_used_up_is_no_fallback_any_more(place: Place):
    limiter = limited(place.counters(), once("key+model", "gold"))

    assert await ask(limiter, "asked", "gold", "silver", tried=["asked", "gold"]) == [
        "asked",
        "gold",
        "silver",
    ]
    assert await ask(limiter, "asked", "gold", "silver") == ["asked", "silver"]
    with pytest.raises(LimitReached):
        await ask(limiter, "gold")


async def test_a_name_that_was_not_tried_gets_everything_back(place: Place):
    counters = place.counters()
    limiter = limited(counters, Rule("model", ALLOWANCE, frozenset({"gold"})), once("everyone"))

    async with limiter.admit(call(), plan("asked", "gold")) as permit:
        assert admitted(permit) == ["asked", "gold"]
        held = await levels(limiter, counters, "gold")
        permit.settle("asked", WHOLE, 100)

    assert held == pytest.approx([1, 100, 10_000, 1], abs=0.1)
    assert await levels(limiter, counters, "gold") == pytest.approx([0, 0, 0, 1], abs=0.1)


async def test_what_was_used_under_two_names_is_split_between_them(place: Place):
    counters = place.counters()
    tokens = Allowance(tokens=ALLOWANCE.tokens)
    limiter = limited(counters, Rule("model", tokens), Rule("key", tokens))

    async with limiter.admit(call(), plan("asked", "gold", "silver")) as permit:
        permit.settle("asked", Usage(60, 0), 0)
        permit.settle("gold", Usage(60, 40), 0)
        permit.settle("gold", Usage(60, 5), 0)

    found = {name: await levels(limiter, counters, name) for name in NAMES}
    assert found == {"asked": [225, 60], "gold": [225, 165], "silver": [225, 0]}


async def test_a_refusal_by_the_first_names_own_limits_is_one_and_costs_nothing_elsewhere(place: Place):
    counters, told = place.counters(), []
    limiter = limited(counters, once("model"), refused=lambda per, measure: told.append((per, measure)))
    await ask(limiter, "asked")

    with pytest.raises(LimitReached, match="The model 'asked' has used its 1 requests per hour"):
        await ask(limiter, "asked", "gold")

    assert told == [("model", "requests")]
    assert await levels(limiter, counters, "gold") == [0]


async def test_a_dear_fallback_does_not_refuse_a_call_that_its_own_price_would_admit(place: Place):
    budget = Rule("everyone", Allowance(usd=(Bound(1500, "month"),)))  # 100 tokens: 100, 10 000 and 1000
    limiter = limited(place.counters(), budget)

    assert await ask(limiter, "asked", "gold", "silver") == ["asked", "silver"]


async def test_who_is_told_what_is_left_is_told_of_the_name_that_was_asked_for(place: Place):
    limiter = limited(place.counters(), once("model", "gold"), Rule("model", ALLOWANCE, frozenset({"asked"})))

    async with limiter.admit(call(), plan("asked", "gold")) as permit:
        told = dict(permit.headers)

    assert told[b"x-ratelimit-limit-requests"] == b"10"
    assert told[b"x-ratelimit-remaining-requests"] == b"9"


async def test_the_limits_of_all_names_are_asked_in_one_round_trip(redis):
    rounds: list[float] = []
    counters = Shared(connect(redis.url, 5.0), "one-trip", 5.0, rounds.append)
    counters.start()
    limiter = limited(counters, Rule("model", ALLOWANCE), Rule("key", ALLOWANCE))

    async with limiter.admit(call(), plan(*NAMES)) as permit:
        assert admitted(permit) == list(NAMES)
        assert len(rounds) == 1
    await counters.stop()


async def test_where_limits_cannot_be_counted_the_names_without_any_are_left():
    gone = Surviving(Shared(connect("redis://127.0.0.1:1/0", 1.0), "test", 1.0), 0.0, quiet=True)
    await gone.start()
    limiter = limited(gone, once("model", "gold"))

    assert await ask(limiter, "asked", "gold", "silver") == ["asked", "silver"]
    with pytest.raises(LimitsUnknown):
        await ask(limiter, "gold", "asked")
    await gone.stop()


async def test_an_attempt_that_never_came_leaves_the_call_a_request_of_the_name_that_was_asked_for():
    counters = Memory()
    limiter = limited(counters, once("model"))

    async with limiter.admit(call(), plan("asked", "gold")):
        pass

    assert await levels(limiter, counters, "asked") == pytest.approx([1], abs=0.1)
    assert await levels(limiter, counters, "gold") == [0]


async def levels(limiter: Limited, counters: Counters, name: str) -> Sequence[float]:
    """What is used of each of a name's counters, by asking for nothing."""
    if isinstance(counters, Shared):
        while counters._owed:
            await counters.round()
    limits = limiter.rules.limits(CALLER, name, "")
    demands = [(counter, 0) for counter in limits.counters if counter.kind != "slots"]
    verdict = await counters.take(demands, limiter.lease())
    return verdict.used
