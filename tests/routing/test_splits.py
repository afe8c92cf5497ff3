"""Who of a name's callers goes to which model."""

import math
from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import config
from app.canaries import Canaries
from app.contracts import Caller, Plan
from app.explaining import Written, explained, lines
from app.journal import Attempt, Record
from app.operations import CHAT, EMBEDDINGS
from app.prices import prices
from app.routing.building import router
from app.routing.features import features
from app.routing.kept import Choice, Kept
from app.routing.listed import NOTHING
from app.routing.router import Router
from app.routing.splits import place
from tests.routing.asking import asking, call

HEAD = """
upstreams: {demo: {kind: demo}}
router: {learned: false}
models:
  old: demo/old
  new: {upstream: demo, model: new, defaults: {temperature: 0.2}, fallbacks: [old]}
"""
MANY = 10_000


def of(folder, text: str, kept: Kept | None = None) -> Router:
    file = folder / "hyperbridge.yaml"
    file.write_text(text)
    settings = config.load(file, {})
    return router(settings, lambda: NOTHING, Written(prices(settings)), kept or Kept())


def routing(folder, model: str) -> Router:
    return of(folder, f"{HEAD}  main: {{upstream: demo, model: own, {model}}}\n")


def alone(folder, model: str) -> Router:
    """Where `auto` has nothing else to choose."""
    head = HEAD[: HEAD.index("  old:")]
    return of(folder, f"{head}  main: {{upstream: demo, model: own, {model}}}\n")


def said(number: int, **members: object):
    return call(asking(f"question {number}", "main", **members))


def first(plan: Plan) -> str:
    return plan.routes[0].model


def test_each_target_gets_its_share_of_the_conversations(tmp_path):
    router = routing(
        tmp_path,
        "split: [{to: new, share: 0.2}, {to: demo/third, share: 0.05}], canary: {to: old, share: 0.1}",
    )
    shares = {"own": 0.65, "new": 0.2, "third": 0.05, "old": 0.1}

    found = [first(router.decide(said(number))) for number in range(MANY)]

    for model, share in shares.items():
        deviation = math.sqrt(MANY * share * (1 - share))
        assert abs(found.count(model) - MANY * share) < 5 * deviation, model


def test_a_conversation_stays_where_it_began(tmp_path):
    router = routing(tmp_path, "split: [{to: new, share: 0.5}]")
    for number in range(50):
        begun = said(number)
        turns = [
            *begun.request.members.value("messages"),
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": f"and {number}?"},
        ]
        later = call({"model": "main", "messages": turns})

        assert first(router.decide(later)) == first(router.decide(begun))


def test_the_clients_own_name_for_a_conversation_keeps_it_together(tmp_path):
    router = routing(tmp_path, "split: [{to: new, share: 0.5}]")
    for name in map(str, range(20)):
        turns = [said(number, hyperbridge={"conversation": name}) for number in range(5)]
        assert len({first(router.decide(turn)) for turn in turns}) == 1


@pytest.mark.parametrize(("sticky", "kinds"), [("user", 1), ("none", 2), ("conversation", 2)])
def test_what_stays_together_is_the_configurations_to_say(tmp_path, sticky, kinds):
    router = routing(tmp_path, f"split: [{{to: new, share: 0.5}}], sticky: {sticky}")
    calls = [replace(said(number), user="ann", id=str(number)) for number in range(60)]

    assert len({first(router.decide(each)) for each in calls}) == kinds


def test_callers_do_not_share_their_users(tmp_path):
    router = routing(tmp_path, "split: [{to: new, share: 0.5}], sticky: user")
    found = set()
    for number in range(40):
        asked = call(asking("x", "main"), caller=Caller(f"key{number}"))
        found.add(first(router.decide(replace(asked, user="1"))))
    assert found == {"own", "new"}


def test_a_call_that_says_nothing_of_itself_is_divided_too(tmp_path):
    router = routing(tmp_path, "split: [{to: new, share: 0.5}]")
    asked = call({"model": "main", "input": [[1, 2]]}, EMBEDDINGS)
    found = {first(router.decide(replace(asked, id=str(number)))) for number in range(40)}
    assert found == {"own", "new"}


@given(st.text(max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_place_is_always_the_same_and_within_bounds(who, one, other):
    where = place("main", who)

    assert 0 <= where < 1
    assert where == place("main", who)
    assert (where < min(one, other)) <= (where < max(one, other))


@pytest.mark.parametrize("kind", ["canary: {to: new, share: SHARE}", "split: [{to: new, share: SHARE}]"])
def test_who_is_in_stays_in_while_the_share_grows(tmp_path, kind):
    inside: set[int] = set()
    for share in (0, 0.001, 0.1, 0.11, 0.5, 0.9, 1):
        router = routing(tmp_path, kind.replace("SHARE", str(share)))
        now = {number for number in range(200) if first(router.decide(said(number))) == "new"}
        assert inside <= now
        inside = now
    assert len(inside) == 200


def test_the_names_own_model_stands_by_with_its_fallbacks(tmp_path):
    router = routing(tmp_path, "fallbacks: [old], canary: {to: new, share: 1}")
    plan = router.decide(said(1))

    assert [route.model for route in plan.routes] == ["new", "own", "old"]
    assert {route.alias for route in plan.routes} == {"main"}
    assert plan.routes[0].reason == "canary"
    assert plan.decision is not None
    assert plan.decision.by == "canary"
    assert plan.decision.target == "new"
    assert plan.decision.reason == "v1; by=canary"


def test_the_manner_of_the_name_holds_wherever_its_calls_go(tmp_path):
    router = routing(
        tmp_path, "mode: metrics, split: [{to: new, share: 1}], shadow: {to: demo/third, share: 1}"
    )
    plain = router.decide(said(1))
    asked = router.decide(said(1, hyperbridge={"mode": "ideas", "preset": "short"}))

    assert plain.decision is not None
    assert asked.decision is not None
    assert plain.shadow is not None
    assert asked.shadow is not None
    assert plain.lens
    assert (plain.decision.mode, plain.decision.by) == ("metrics", "split")
    assert plain.routes[0].defaults["temperature"] == b"0.2"
    assert plain.routes[0].defaults["top_p"] == plain.routes[1].defaults["top_p"]
    assert plain.shadow.route.defaults["top_p"] == plain.routes[1].defaults["top_p"]
    assert (asked.decision.mode, asked.decision.by) == ("ideas", "split")
    assert asked.routes[0].defaults["max_tokens"] == b"300"
    assert asked.shadow.route.defaults["max_tokens"] == b"300"


def test_a_canary_that_is_rolled_back_leaves_its_calls_to_the_names_own_model(tmp_path):
    router = routing(tmp_path, "canary: {to: new, share: 0.3}, split: [{to: old, share: 0.3}]")
    before = [first(router.decide(said(number))) for number in range(200)]

    canary = router.canaries["main"]
    canary.verdict = "all failed"
    after = [first(router.decide(said(number))) for number in range(200)]

    assert {"new", "old", "own"} == set(before)
    assert after == [{"new": "own"}.get(model, model) for model in before]


def test_a_shadow_gets_its_own_share_under_a_name_of_its_own(tmp_path):
    router = routing(tmp_path, "shadow: {to: new, share: 0.3, concurrent: 2, keep_text: true}")
    plans = [router.decide(said(number)) for number in range(1000)]
    shadows = [plan.shadow for plan in plans if plan.shadow is not None]

    assert 230 < len(shadows) < 370
    assert {first(plan) for plan in plans} == {"own"}
    assert {plan.decision for plan in plans} == {None}
    assert (shadows[0].route.alias, shadows[0].route.model, shadows[0].route.reason) == (
        "shadow:main",
        "new",
        "shadow",
    )
    assert (shadows[0].name, shadows[0].concurrent, shadows[0].keep_text) == ("main", 2, True)


@pytest.mark.parametrize("model", ["main", "auto"])
def test_an_explanation_names_who_gets_the_call_and_which_shadow_it_has(tmp_path, model):
    alone(tmp_path, "canary: {to: demo/new, share: 1}, shadow: {to: demo/third, share: 1}")
    told = list(lines(explained(config.load(tmp_path / "hyperbridge.yaml", {}), asking("x", model))))

    assert "mode        none (by canary)" in told
    assert "goes to     demo/new (canary), then demo/own" in told
    assert "shadow      demo/third" in told


def test_a_key_for_the_name_is_enough(tmp_path):
    router = routing(tmp_path, "split: [{to: new, share: 1}]")
    asked = call(asking("x", "main"), caller=Caller("front", frozenset({"main"})))
    assert first(router.decide(asked)) == "new"


def test_what_auto_chooses_is_divided_as_if_it_had_been_asked_for_by_its_name(tmp_path):
    router = alone(
        tmp_path,
        "canary: {to: demo/new, share: 0.3}, split: [{to: demo/old, share: 0.3}], fallbacks: [demo/spare]",
    )
    found = set()
    for number in range(60):
        chosen = router.decide(call(asking(f"question {number}")))
        named = router.decide(said(number))
        found.add(first(chosen))
        assert [route.model for route in chosen.routes] == [route.model for route in named.routes]
        assert {route.alias for route in chosen.routes} == {"main"}
        assert chosen.decision is not None
        assert [each.model for each in chosen.decision.candidates] == ["own"]
        if named.decision is not None:
            assert chosen.routes[0] == named.routes[0]
            assert (chosen.decision.by, chosen.decision.target) == (named.decision.by, named.decision.target)
    assert found == {"new", "old", "own"}


def test_a_shadow_hears_what_auto_chooses_in_its_mode(tmp_path):
    router = alone(tmp_path, "shadow: {to: demo/new, share: 1}")
    plan = router.decide(call(asking("x", hyperbridge={"mode": "metrics"})))

    assert plan.shadow is not None
    assert plan.shadow.route.model == "new"
    assert plan.shadow.route.defaults == plan.routes[0].defaults != {}


def test_auto_leaves_a_call_that_the_target_cannot_take_to_the_names_own_model(tmp_path):
    router = alone(
        tmp_path, "split: [{to: demo/Qwen2.5-Math-7B-Instruct, share: 1}], shadow: {to: demo/new, share: 1}"
    )
    short, long = router.decide(call(asking("x"))), router.decide(call(asking("x" * 40_000)))

    assert [route.model for route in short.routes] == ["Qwen2.5-Math-7B-Instruct", "own"]
    assert [route.model for route in long.routes] == ["own"]
    assert long.decision is not None
    assert (long.decision.by, long.decision.target) == ("default", "")
    assert long.shadow is not None


class Adapted(Written):
    """Its upstreams have the adapter `poet` for every model."""

    def adapters(self, upstream: str, model: str) -> Collection[str]:
        return ("poet",)


def test_auto_gives_no_share_away_where_the_mode_asks_for_an_adapter_of_the_names_own_model(tmp_path):
    file = tmp_path / "hyperbridge.yaml"
    file.write_text(
        "upstreams: {demo: {kind: demo}}\n"
        "models: {main: {upstream: demo, model: own, split: [{to: demo/new, share: 1}]}}\n"
        "modes: {verse: {lora: poet}, plain: {}}\n"
    )
    settings = config.load(file, {})
    router_ = router(settings, lambda: NOTHING, Adapted(prices(settings)), Kept())
    in_mode = {mode: call(asking("x", hyperbridge={"mode": mode})) for mode in ("verse", "plain")}

    assert [route.model for route in router_.decide(in_mode["verse"]).routes] == ["poet"]
    assert [route.model for route in router_.decide(in_mode["plain"]).routes] == ["new", "own"]


def test_a_conversation_that_a_target_answered_keeps_the_name(tmp_path):
    kept = Kept()
    models = "{main: {upstream: demo, model: own, split: [{to: demo/new, share: 1}]}, better: demo/better}"
    router = of(
        tmp_path, f"upstreams: {{demo: {{kind: demo}}}}\nrouter: {{learned: false}}\nmodels: {models}\n", kept
    )
    asked = call(asking("x", hyperbridge={"conversation": "c"}))
    conversation = features(asked).conversation

    kept.keep(conversation, Choice("", "demo", "new", "better"))
    assert first(router.decide(asked)) == "better"
    kept.keep(conversation, Choice("", "demo", "new", "main"))
    assert first(router.decide(asked)) == "new"


def test_a_client_that_falls_back_to_a_name_gets_its_share_and_then_its_own_model(tmp_path):
    router = routing(tmp_path, "canary: {to: new, share: 1}, fallbacks: [old]")
    plan = router.decide(call(asking("x", "demo/other", models=["main"])))

    assert [route.model for route in plan.routes] == ["other", "new", "own"]
    assert [route.reason for route in plan.routes[1:]] == ["canary", "a fallback that the client named"]


def test_a_canary_is_judged_by_its_attempts_whoever_answered_in_the_end(tmp_path):
    router = routing(tmp_path, "canary: {to: new, share: 1, least_calls: 3}")
    canaries = Canaries(lambda: router.canaries)
    for _ in range(3):
        plan = router.decide(call(asking("x", "main", models=["demo/other"])))
        record = Record("id", CHAT, 0.0)
        record.decision, record.model = plan.decision, "demo/*"
        record.attempts = [Attempt(plan.routes[0], "first"), Attempt(plan.routes[-1], "fallback")]
        record.attempts[0].outcome, record.attempts[1].outcome = "upstream_broken", "ok"
        canaries.read(record)

    assert router.canaries["main"].verdict == "3 of 3 attempts failed"


def test_a_canary_is_not_judged_by_attempts_at_the_one_before_it(tmp_path):
    before = routing(tmp_path, "canary: {to: old, share: 1, least_calls: 3}")
    now = routing(tmp_path, "canary: {to: new, share: 1, least_calls: 3}")
    canaries = Canaries(lambda: now.canaries)
    for _ in range(3):
        record = Record("id", CHAT, 0.0)
        record.attempts = [Attempt(before.decide(said(1)).routes[0], "first")]
        record.attempts[0].outcome = "upstream_broken"
        canaries.read(record)

    assert not now.canaries["main"].verdict
