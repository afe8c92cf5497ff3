"""From a call to its plan: what the client says counts, and what the configuration says stands behind it."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app import config
from app.contracts import Caller, Plan
from app.errors import BadRequest, Failure, ForbiddenModel, NoModelFits, UnknownModel
from app.explaining import Written, explained, lines
from app.operations import CHAT, OPERATIONS
from app.outbound import asks_usage_itself
from app.prices import prices
from app.routing.building import router
from app.routing.defaults import members_to_set
from app.routing.kept import Kept
from app.routing.lens import lensed
from app.routing.listed import NOTHING
from app.routing.router import Router
from app.routing.thinking import way_of
from app.wire import OWN_MEMBERS, Members
from tests.routing.asking import asking, call

CONFIGURATION = """
upstreams: {demo: {kind: demo}}
models:
  plain: demo/plain
  risky: {upstream: demo, model: risky, mode: metrics, defaults: {temperature: 0.05}}
  rust: {upstream: demo, model: rust, template: code, variables: {language: Rust}, presets: [exact, short]}
  falls: {upstream: demo, model: falls, mode: house, fallbacks: [plain]}
presets: {exact: {temperature: 0.1, seed: 7}}
modes:
  house: {lens: You are of this house., presets: exact, thinking: off, tasks: [quick]}
router: {learned: false}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> config.Config:
    file = tmp_path_factory.mktemp("router") / "hyperbridge.yaml"
    file.write_text(CONFIGURATION)
    return config.load(file, {})


@pytest.fixture(scope="module")
def routing(settings) -> Router:
    return router(settings, lambda: NOTHING, Written(prices(settings)), Kept())


def values(plan: Plan) -> dict[str, object]:
    return {name: msgspec.json.decode(value) for name, value in plan.routes[0].defaults.items()}


def test_a_name_without_a_manner_goes_as_it_always_did(routing):
    plan = routing.decide(call(asking("x", "plain")))

    assert (plan.lens, plan.decision, plan.routes[0].defaults) == ("", None, {})
    assert plan is routing.decide(call(asking("y", "plain")))


def test_a_name_has_the_manner_that_the_configuration_gives_it(routing):
    plan = routing.decide(call(asking("x", "risky")))

    assert values(plan)["temperature"] == 0.05
    assert values(plan)["top_p"] == 0.9
    assert plan.lens
    assert plan.decision.reason == "v1; by=alias"
    assert plan.decision.mode == "metrics"


def test_a_client_may_ask_any_name_for_another_manner(routing):
    plan = routing.decide(call(asking("x", "risky", hyperbridge={"mode": "house", "preset": "long"})))

    assert values(plan) == {"temperature": 0.1, "seed": 7, "max_tokens": 2000, "top_p": 0.9}
    assert plan.lens == "You are of this house."
    assert (plan.decision.by, plan.decision.mode) == ("client", "house")
    assert plan.routes[0].thinking == "off"


def test_a_template_of_the_names_own_takes_the_clients_variables(routing):
    own = routing.decide(call(asking("x", "rust")))
    asked = routing.decide(call(asking("x", "rust", hyperbridge={"variables": {"constraints": "no std"}})))

    assert "Rust" in own.lens
    assert "no std" not in own.lens
    assert "Rust" in asked.lens
    assert "no std" in asked.lens
    assert values(own) == values(asked) == {"temperature": 0.1, "seed": 7, "max_tokens": 300}


@pytest.mark.parametrize("model", ["plain", "auto", "risky"])
def test_a_modes_template_takes_what_it_needs_from_the_client(tmp_path, model):
    (tmp_path / "who.md").write_text(
        "---\ndescription: For whom.\nvariables:\n"
        "  who: {description: Who reads it., required: true}\n---\nIt is for {{ who }}.\n"
    )
    (tmp_path / "hyperbridge.yaml").write_text(
        CONFIGURATION.replace("modes:", "templates: {folder: .}\nmodes:\n  letter: {template: who}")
    )
    settings = config.load(tmp_path / "hyperbridge.yaml", {})
    own = router(settings, lambda: NOTHING, Written(prices(settings)), Kept())
    wish = {"mode": "letter", "variables": {"who": "beginners"}}

    assert own.decide(call(asking("x", model, hyperbridge=wish))).lens.endswith("It is for beginners.")
    with pytest.raises(BadRequest, match="needs the variable 'who'"):
        own.decide(call(asking("x", model, hyperbridge={"mode": "letter"})))


def test_variables_of_one_template_are_not_those_of_another(routing):
    plan = routing.decide(call(asking("x", "rust", hyperbridge={"template": "reasoning"})))

    assert "Rust" not in plan.lens
    assert plan.decision.template == "reasoning"


def test_the_manner_holds_on_every_route(routing):
    plan = routing.decide(call(asking("x", "falls")))

    assert [route.model for route in plan.routes] == ["falls", "plain"]
    assert {msgspec.json.decode(route.defaults["temperature"]) for route in plan.routes} == {0.1}
    assert {route.thinking for route in plan.routes} == {"off"}


def test_the_clients_own_fallbacks_stand_behind(routing):
    plan = routing.decide(call(asking("x", "plain", models=["demo/other", "risky"])))

    assert [route.model for route in plan.routes] == ["plain", "other", "risky"]
    assert [route.reason for route in plan.routes][1:] == ["a fallback that the client named"] * 2


def test_the_clients_fallback_may_be_left_to_the_router(routing):
    plan = routing.decide(call(asking("x", "demo/other", models=["auto"])))

    assert [route.model for route in plan.routes] == ["other", "plain"]


def test_what_the_router_decides_is_told_where_the_client_falls_back_to_it(routing):
    code = {"messages": [{"role": "user", "content": "```\nx = 1\n```"}]}
    plain = routing.decide(call({"model": "demo/other", "models": ["auto"], **code})).decision
    risky = routing.decide(call({"model": "risky", "models": ["auto"], **code})).decision

    assert plain.reason == "v1; by=client; auto=code"
    assert (plain.mode, plain.conversation) == ("", "")
    assert (plain.fallback.by, [each.name for each in plain.fallback.candidates]) == ("rule", ["plain"])
    assert risky.reason == "v1; by=alias; auto=code"
    assert (risky.mode, risky.fallback.mode) == ("metrics", "code")


def test_nothing_is_asked_for_the_same_twice(tmp_path):
    (tmp_path / "hyperbridge.yaml").write_text("""
upstreams: {demo: {kind: demo}}
models:
  a: {upstream: demo, model: a, fallbacks: [b, {to: c, when: [timeout]}]}
  b: demo/b
  c: demo/c
  cool: {upstream: demo, model: a, defaults: {temperature: 0}}
router: {learned: false}
""")
    settings = config.load(tmp_path / "hyperbridge.yaml", {})
    own = router(settings, lambda: NOTHING, Written(prices(settings)), Kept())

    def models(model: str, *others: str) -> list[str]:
        plan = own.decide(call(asking("x", model, models=list(others))))
        return [route.model for route in plan.routes]

    assert models("auto") == ["a", "b", "c"]
    assert models("auto", "auto", "a", "b") == ["a", "b", "c"]
    assert models("a", "b", "a", "b") == ["a", "b", "c"]
    assert models("a", "c") == ["a", "b", "c", "c"], "the first c is there for silence alone"
    assert models("a", "cool") == ["a", "b", "c", "a"]


def test_a_fallback_that_is_not_there_or_not_allowed_is_refused(routing):
    with pytest.raises(UnknownModel, match="'plain'"):
        routing.decide(call(asking("x", "plain", models=["plan"])))
    with pytest.raises(ForbiddenModel):
        routing.decide(call(asking("x", "plain", models=["risky"]), caller=Caller("a", frozenset({"plain"}))))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"mode": "hous"}, "no mode 'hous'. Did you mean 'house'?"),
        ({"preset": "shrt"}, "no preset 'shrt'. Did you mean 'short'?"),
        ({"template": "coed"}, "no such template"),
        ({"template": "code", "variables": {"lang": "x"}}, "no such variable"),
        ({"variables": {"language": "x"}}, "belong to a template"),
    ],
)
@pytest.mark.parametrize("model", ["auto", "plain"])
def test_what_is_not_there_is_refused_with_what_is(routing, wish, said, model):
    with pytest.raises(BadRequest, match=said) as refused:
        routing.decide(call(asking("x", model, hyperbridge=wish)))
    assert (refused.value.param or "").startswith("hyperbridge")


def test_auto_chooses_no_name_whose_bound_the_prompt_exceeds(tmp_path):
    (tmp_path / "hyperbridge.yaml").write_text(
        CONFIGURATION.replace(
            "plain: demo/plain", "plain: {upstream: demo, model: plain, max_prompt_tokens: 9}"
        )
    )
    settings = config.load(tmp_path / "hyperbridge.yaml", {})
    own = router(settings, lambda: NOTHING, Written(prices(settings)), Kept())

    assert own.decide(call(asking("x" * 36))).routes[0].alias == "plain"
    with pytest.raises(NoModelFits, match="plain takes prompts of at most 9 tokens; this one has about 10"):
        own.decide(call(asking("x" * 37)))
    others = own.decide(call(asking("x" * 37, "demo/other", models=["auto"]))).routes
    assert [route.model for route in others] == ["other"]


def test_auto_chooses_among_models_not_among_manners(routing):
    plan = routing.decide(call(asking("x")))

    assert {route.alias for route in plan.routes} == {"plain"}
    assert plan.decision.by == "default"


def test_a_mode_that_needs_a_word_of_the_clients_is_not_chosen_without_the_client(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "ask.md").write_text(
        "---\ndescription: x\nvariables: {topic: {description: what of, required: true}}\n---\nOf {{ topic }}.\n"
    )
    (tmp_path / "hyperbridge.yaml").write_text("""
upstreams: {demo: {kind: demo}}
models: {plain: demo/plain}
templates: {folder: ./prompts}
modes: {asking: {template: ask}}
router: {learned: false, default_mode: asking, rules: [{mode: asking, when: {code: true}}]}
""")
    settings = config.load(tmp_path / "hyperbridge.yaml", {})
    own = router(settings, lambda: NOTHING, Written(prices(settings)), Kept())

    chosen = own.decide(call(asking("```\nx\n```")))
    asked = own.decide(call(asking("x", hyperbridge={"mode": "asking", "variables": {"topic": "gold"}})))

    assert chosen.decision is not None
    assert (chosen.decision.mode, chosen.lens) == ("", "")
    assert asked.lens == "Of gold."


def test_an_explanation_is_the_decision_itself(routing):
    asked = call(asking("x"))

    assert routing.explain(asked).decision == routing.decide(asked).decision


def test_an_explanation_says_what_a_call_would_be_refused_with(routing):
    explanation = routing.explain(call(asking("x", "plan")))

    assert isinstance(explanation.failure, UnknownModel)
    assert explanation.plan is None


def test_an_explanation_for_people_names_mode_candidates_and_what_is_set(settings):
    told = "\n".join(lines(explained(settings, asking("x", hyperbridge={"mode": "house"}))))

    assert "mode        house (by client)" in told
    assert "plain: not in the catalogue" in told
    assert "temperature 0.1" in told
    assert "lens        22 characters" in told


WORDS = ["user", "system", "text", "image_url", "tool_result", "json_schema", "auto", "plain", "on", "house"]
PLACES = ["role", "content", "type", "text", "format", "mode", "preset", "variables", "thinking", "input"]
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PLACES), inner, max_size=4),
    max_leaves=12,
)
READ = [
    *("messages", "input", "prompt", "query", "instructions", "system", "tools", "response_format", "text"),
    *("max_tokens", "n", "guided_json", "hyperbridge", "models", "reasoning_effort", "chat_template_kwargs"),
]


@given(
    st.dictionaries(st.sampled_from(READ), ODD, max_size=6),
    st.sampled_from(["auto", "plain", "risky", "demo/x", "nothing"]),
    st.sampled_from([*OPERATIONS.values()]),
)
@example({"response_format": {"type": []}}, "auto", CHAT)
@example({"messages": [{"role": "user", "content": [{"type": []}]}]}, "auto", CHAT)
@example({"max_tokens": 2**63}, "auto", CHAT)
def test_no_request_is_too_odd_to_be_planned_or_refused(routing, members, model, operation):
    required = dict.fromkeys(operation.required, ())
    try:
        asked = call({**required, **members, "model": model}, operation)
        plan = routing.decide(asked)
        request = lensed(asked.request, operation, plan.lens)
    except Failure:
        return
    for route in plan.routes:
        way = way_of(asked, route, "vllm")
        sent = Members.of(request.members.replaced(members_to_set(operation, request, route, way)))
        assert sent.value("model") == route.model
        assert not sent.spans.keys() & set(OWN_MEMBERS)


MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "max_tokens": st.integers(1, 99),
        "max_completion_tokens": st.integers(1, 99),
        "seed": st.integers(0, 9),
        "reasoning_effort": st.sampled_from(["low", "none"]),
        "chat_template_kwargs": st.just({"enable_thinking": True}),
        "x": st.text(st.characters(codec="utf-8")),
    },
)
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["house", "code", "metrics", "quick", "deep"]),
        "preset": st.sampled_from(["risk", ["ideas", "long"], "exact"]),
        "thinking": st.sampled_from(["on", "off"]),
    },
)


@given(MEMBERS, WISHES, st.sampled_from(["plain", "risky", "rust", "falls", "auto"]), st.booleans())
def test_what_a_client_sends_survives_byte_for_byte(routing, members, wishes, model, stream):
    body = asking("What is it?", model, **members, stream=stream, hyperbridge=wishes)
    asked = call(body)
    plan = routing.decide(asked)
    request = lensed(asked.request, asked.operation, plan.lens)
    for route in plan.routes:
        sent = msgspec.json.decode(
            request.members.replaced(
                members_to_set(asked.operation, request, route, way_of(asked, route, "vllm"))
            )
        )
        for name, value in members.items():
            if name != "chat_template_kwargs":
                assert sent[name] == value
        if "chat_template_kwargs" in members:
            assert sent["chat_template_kwargs"]["enable_thinking"] is True
        assert not {"max_tokens", "max_completion_tokens"} <= sent.keys() - members.keys()
        assert sent["messages"][-1] == {"role": "user", "content": "What is it?"}
        assert "hyperbridge" not in sent
        assert asks_usage_itself(asked) is stream
