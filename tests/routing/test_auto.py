"""The choice of a mode and a model: always explained, never of what the key may not use or what cannot hold the prompt."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import config
from app.allowance import Allowance, Bound
from app.contracts import Call, Caller, ModelCard, Plan, Route
from app.errors import ForbiddenModel, NoModelFits
from app.operations import EMBEDDINGS, RERANK
from app.price_table import Price
from app.routing.auto import Auto
from app.routing.candidates import DOUBTS, DOWN, FORBIDDEN, UNLISTED
from app.routing.catalogue import Entry
from app.routing.defaults import members_to_set
from app.routing.features import features
from app.routing.kept import Choice, Kept
from app.routing.lens import lensed
from app.routing.manner import Manners, in_manner
from app.routing.modes import Mode, Preset
from app.routing.speed import Speed
from app.routing.templates import Templates
from app.routing.thinking import way_of
from app.wire import Request
from tests.routing.asking import asking, call

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MODES = {
    "code": Mode("code", tasks=("code",)),
    "quick": Mode("quick", tasks=("quick",), order_by="fastest"),
    "vision": Mode("vision", tasks=("vision",)),
    "thrifty": Mode("thrifty", order_by="cheapest"),
    "house": Mode("house", models=("small",), lora="poet"),
    "empty": Mode("empty", models=()),
    "wordy": Mode("wordy", lens="ж" * 12_000, presets=("long",)),
}
PRESETS = {"long": Preset("long", {"max_tokens": b"2000"}), "short": Preset("short", {"max_tokens": b"300"})}
MANNERS = Manners(MODES, PRESETS, Templates({}))


def entry(name: str, **members: Any) -> Entry:
    facts: dict[str, Any] = {"family": "f", "strengths": {}, "speed": 3, "quality": 3, "context_tokens": 8000}
    return Entry(id=name, **facts | members)


ENTRIES = {
    "coder": entry("coder", strengths={"code": 5, "chat": 2}, context_tokens=32_000),
    "small": entry("small", strengths={"quick": 5, "chat": 3}, speed=5, quality=2, tools=False, schema=False),
    "large": entry(
        "large", strengths={"chat": 5, "code": 4, "quick": 2}, speed=1, quality=5, context_tokens=128_000
    ),
    "seer": entry("seer", strengths={"vision": 4, "chat": 3}, modalities=("text", "image")),
}
PRICES = {"coder": 0.2, "small": 0.02, "large": 2.0, "seer": 0.5}


@dataclass(frozen=True)
class Known:
    """An outlook that says what it was made with."""

    down: Collection[str] = ()
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    cards: Mapping[str, ModelCard] = field(default_factory=dict)
    loras: Collection[str] = ()
    gone: Collection[str] = ()

    def operations(self, upstream: str) -> Collection[str]:
        return {"chat", "completions"}

    def healthy(self, upstream: str) -> bool:
        return upstream not in self.down

    def card(self, upstream: str, model: str) -> ModelCard | None:
        return self.cards.get(model)

    def lacks(self, upstream: str, model: str) -> bool:
        return model in self.gone

    def adapters(self, upstream: str, model: str) -> Collection[str]:
        return self.loras

    def speed(self, route: Route) -> Speed | None:
        return self.speeds.get(route.model)

    def price(self, route: Route) -> Price | None:
        price = PRICES.get(route.model)
        return None if price is None else Price.of(price, price)


@dataclass(frozen=True)
class Offering(Known):
    """An outlook whose upstreams offer these operations."""

    offered: Collection[str] = ()

    def operations(self, upstream: str) -> Collection[str]:
        return self.offered


@dataclass(frozen=True)
class Sure:
    """A classifier that finds what it was told."""

    probabilities: Mapping[str, float]
    threshold: float = 0.5

    def classify(self, text: str) -> "Sure":
        return self

    def why(self, text: str, label: str) -> Sequence[str]:
        return [label]


OFFERED = {name: Plan([Route(f"up-{name}", name, name, "configured")]) for name in (*ENTRIES, "odd")}


def auto(
    classifier: Sure | None = None,
    outlook: Known | None = None,
    kept: Kept | None = None,
    offered: Mapping[str, Plan] = OFFERED,
    **settings,
) -> Auto:
    return Auto(
        config.Router(**settings),
        MODES,
        offered,
        general=list(offered),
        choosable=MODES,
        manner=MANNERS.of,
        output_tokens=1024,
        entry=ENTRIES.get,
        classifier=lambda: classifier,
        outlook=outlook or Known(),
        kept=Kept() if kept is None else kept,
    )


def chosen(body, by: Auto, **about):
    return by.choose(call(body, **about), NOW)


def models(body, by: Auto, **about) -> list[str]:
    return [offer.name for offer in chosen(body, by, **about).offers]


def against(body, by: Auto, **about) -> dict[str, Sequence[str]]:
    decision = by.decide(call(body, **about), features(call(body, **about)), NOW)
    return {each.name: each.against for each in decision.candidates}


def test_a_mode_is_answered_by_who_is_best_at_its_tasks():
    assert models(asking("x", hyperbridge={"mode": "code"}), auto())[0] == "coder"
    assert models(asking("x"), auto())[0] == "large"


def test_rules_are_asked_before_the_classifier():
    decision = chosen(asking("```\nx = 1\n```"), auto(Sure({"quick": 1.0}))).decision

    assert (decision.mode, decision.by, decision.rule) == ("code", "rule", "router.rules[1]")


def test_the_classifier_chooses_where_no_rule_does_and_abstains_below_its_threshold():
    sure = chosen(asking("x"), auto(Sure({"quick": 0.6, "code": 0.4}))).decision
    unsure = chosen(asking("x"), auto(Sure({"quick": 0.45, "code": 0.4}), default_mode="thrifty")).decision

    assert (sure.mode, sure.by) == ("quick", "classifier")
    assert sure.reason == "v1; by=classifier; p=0.60; policy=fastest; candidates=5; rejected=0"
    assert (unsure.mode, unsure.by) == ("thrifty", "default")


def test_the_configuration_may_ask_for_more_or_less_certainty():
    assert chosen(asking("x"), auto(Sure({"quick": 0.4}), threshold=0.3)).decision.mode == "quick"
    assert chosen(asking("x"), auto(Sure({"quick": 0.9}), threshold=0.95)).decision.mode == ""
    assert chosen(asking("x"), auto(Sure({"quick": 0.9}), learned=False)).decision.mode == ""


def test_a_label_that_is_no_mode_is_none():
    assert chosen(asking("x"), auto(Sure({"gardening": 0.99}))).decision.mode == ""


def test_speed_is_what_was_measured_before_what_is_written():
    slow = Known(speeds={"small": Speed(30.0, 1.0)})

    assert models(asking("x", hyperbridge={"mode": "quick"}), auto())[0] == "small"
    assert models(asking("x", hyperbridge={"mode": "quick"}), auto(outlook=slow))[0] != "small"


def test_who_costs_least_is_cheapest_and_an_unknown_price_is_not():
    found = models(asking("x", hyperbridge={"mode": "thrifty"}), auto(candidates=5))

    assert found == ["small", "coder", "seer", "large", "odd"]


@pytest.mark.parametrize(
    ("body", "name", "said"),
    [
        (asking("x", tools=[{"type": "function"}]), "small", "calls no tools"),
        (asking("x", response_format={"type": "json_object"}), "small", "follows no JSON schema"),
        (asking("x" * 60_000), "small", "holds 8000 tokens; prompt and answer need about 15000"),
        (asking("x", max_tokens=9000), "small", "holds 8000 tokens; prompt and answer need about 9001"),
        (
            asking("x")
            | {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "large",
            "is not known to take images",
        ),
    ],
)
def test_what_a_model_cannot_do_speaks_against_it(body, name, said):
    assert against(body, auto())[name] == (said,)


@pytest.mark.parametrize(
    ("wish", "needed"),
    [
        ({}, None),
        ({"mode": "wordy"}, 6001 + 1000 + 2000),
        ({"mode": "wordy", "preset": "short"}, None),
        ({"preset": "long"}, None),
    ],
)
def test_what_the_gateway_puts_into_a_request_has_to_fit_too(wish, needed):
    said = () if needed is None else (f"holds 8000 tokens; prompt and answer need about {needed}",)

    assert against(asking("x" * 4000, hyperbridge=wish), auto())["small"] == said


def test_what_a_name_sets_has_to_fit_too_but_not_where_the_client_or_the_mode_sets_another():
    by = auto(offered={"small": Plan([Route("up", "small", "small", "", {"max_tokens": b"7900"})])})
    full = ("holds 8000 tokens; prompt and answer need about 8900",)

    assert against(asking("x" * 4000), by)["small"] == full
    assert against(asking("x" * 4000, max_tokens=10), by)["small"] == ()
    assert against(asking("x" * 4000, hyperbridge={"preset": "long"}), by)["small"] == ()


def test_what_the_server_says_of_its_context_comes_before_the_catalogue():
    longer = Known(cards={"small": ModelCard("small", context_tokens=64_000)})

    assert against(asking("x" * 60_000), auto(outlook=longer))["small"] == ()


def test_what_the_server_says_of_images_comes_before_the_catalogue():
    body = asking("x") | {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}
    seeing = Known(cards={"large": ModelCard("large", modalities=("text", "image"))})

    assert against(body, auto(outlook=seeing))["large"] == ()


def test_an_adapter_can_what_its_base_can():
    tuned = Known(cards={"odd": ModelCard("odd", parent="small")})

    assert against(asking("x", tools=[{}]), auto())["odd"] == ()
    assert against(asking("x", tools=[{}]), auto(outlook=tuned))["odd"] == ("calls no tools",)


def test_a_key_gets_only_what_it_may_use():
    caller = Caller("a", frozenset({"small", "seer"}))

    assert set(models(asking("x"), auto(candidates=5), caller=caller)) == {"small", "seer"}
    assert against(asking("x"), auto(), caller=caller)["large"] == (FORBIDDEN,)


def test_what_costs_more_than_the_whole_budget_is_not_chosen():
    poor = Caller("a", allowance=Allowance(usd=(Bound(100_000, "day"),)))
    found = against(asking("x"), auto(), caller=poor)

    assert found["large"] == ("costs about $0.0021, more than the key's whole budget of $0.0001",)
    assert found["small"] == ()


def test_who_is_down_is_asked_only_where_nobody_else_is_left():
    some = Known(down={"up-large", "up-seer"})
    all_of_them = Known(down={f"up-{name}" for name in (*ENTRIES, "odd")})

    assert not {"large", "seer"} & set(models(asking("x"), auto(outlook=some, candidates=5)))
    assert against(asking("x"), auto(outlook=some))["large"] == (DOWN,)
    assert models(asking("x"), auto(outlook=all_of_them))[0] == "large"


def test_what_its_upstream_does_not_list_is_asked_only_where_nothing_else_is_left():
    some = Known(gone={"large"}, down={"up-seer"})
    all_of_them = Known(gone={"large", "odd"}, down={f"up-{name}" for name in ENTRIES})

    assert not {"large", "seer"} & set(models(asking("x"), auto(outlook=some, candidates=5)))
    assert against(asking("x"), auto(outlook=some))["large"] == (UNLISTED,)
    assert against(asking("x"), auto(outlook=all_of_them))["large"] == (UNLISTED, DOWN)
    assert models(asking("x"), auto(outlook=all_of_them))[0] == "large"


def test_a_refusal_says_what_speaks_against_each():
    with pytest.raises(NoModelFits, match="coder does not offer /v1/embeddings"):
        chosen({"model": "auto", "input": "x"}, auto(), operation=EMBEDDINGS)
    with pytest.raises(ForbiddenModel):
        chosen(asking("x"), auto(), caller=Caller("a", frozenset()))


def test_who_writes_no_text_is_asked_for_nothing_else_and_nobody_else_for_vectors():
    known = {**ENTRIES, "vectors": entry("vectors", strengths={"embedding": 4}, speed=5)}
    known["ranks"] = entry("ranks", strengths={"rerank": 5}, speed=5)
    by = Auto(
        config.Router(order_by="fastest", candidates=16),
        MODES | {"code": Mode("code", models=("coder",))},
        {name: Plan([Route(f"up-{name}", name, name, "configured")]) for name in known},
        general=list(known),
        choosable=MODES,
        manner=MANNERS.of,
        output_tokens=1024,
        entry=known.get,
        classifier=lambda: Sure({"code": 1.0}),
        outlook=Offering(offered={"chat", "embeddings", "rerank"}),
        kept=Kept(),
    )
    embedding = chosen({"model": "auto", "input": "def f(): ..."}, by, operation=EMBEDDINGS)
    ranking = {"model": "auto", "query": "x", "documents": []}

    assert [offer.name for offer in embedding.offers] == ["vectors"]
    assert (embedding.decision.mode, embedding.decision.conversation) == ("", "")
    assert models(ranking, by, operation=RERANK) == ["ranks"]
    assert set(models(asking("x", hyperbridge={"mode": "quick"}), by)) == set(ENTRIES)
    assert against(asking("x", hyperbridge={"mode": "quick"}), by)["vectors"] == (
        "is not made for /v1/chat/completions",
    )


def test_a_mode_without_models_is_told_as_what_it_is():
    with pytest.raises(NoModelFits, match="list of models is empty"):
        chosen(asking("x", hyperbridge={"mode": "empty"}), auto())


def test_a_mode_may_have_its_own_models_and_its_own_adapter():
    body = asking("x", hyperbridge={"mode": "house"})

    assert models(body, auto()) == ["small"]
    assert chosen(body, auto()).plan.routes[0].model == "small"
    assert chosen(body, auto(outlook=Known(loras={"poet"}))).plan.routes[0].model == "poet"


def test_the_others_stand_behind_the_best():
    plan = chosen(asking("x"), auto(candidates=3)).plan

    assert [route.alias for route in plan.routes] == ["large", *models(asking("x"), auto())[1:]]
    assert len(plan.routes) == 3
    assert {route.reason for route in plan.routes} == {"chosen by the router"}


TURN = asking("x", hyperbridge={"conversation": "c"})


def turn(kept: Kept, classifier: Sure | None = None, outlook: Known | None = None):
    by = auto(classifier, outlook, kept)
    found = chosen(TURN, by)
    route = found.plan.routes[0]
    kept.keep(found.decision.conversation, Choice(found.decision.mode, route.upstream, route.model))
    return found.decision.mode, found.decision.by, found.offers[0].name


def test_a_conversation_stays_in_its_mode_unless_another_one_is_likelier_by_the_margin():
    kept = Kept()

    assert turn(kept, Sure({"code": 0.9}))[:2] == ("code", "classifier")
    assert turn(kept, Sure({"quick": 0.5, "code": 0.4}))[:2] == ("code", "conversation")
    assert turn(kept, Sure({"quick": 0.3, "code": 0.0}))[:2] == ("code", "conversation")
    assert turn(kept, Sure({"code": 0.6}))[:2] == ("code", "classifier")
    assert turn(kept, Sure({"quick": 0.9, "code": 0.1}))[:2] == ("quick", "classifier")


def test_a_conversation_leaves_a_mode_that_is_not_there_any_more():
    kept = Kept()
    kept.keep(features(call(TURN)).conversation, Choice("gone", "up-large", "large"))

    assert turn(kept) == ("", "default", "large")
    assert turn(kept, Sure({"code": 0.9}))[:2] == ("code", "classifier")


def test_a_conversation_keeps_its_model_unless_another_one_is_better_by_the_margin():
    kept = Kept()
    kept.keep(features(call(TURN)).conversation, Choice("", "up-coder", "coder"))
    close = {**ENTRIES, "coder": entry("coder", strengths={"chat": 4.5}, quality=5)}
    by = Auto(
        config.Router(),
        MODES,
        {name: Plan([Route(f"up-{name}", name, name, "configured")]) for name in close},
        general=list(close),
        choosable=MODES,
        manner=MANNERS.of,
        output_tokens=1024,
        entry=close.get,
        classifier=lambda: None,
        outlook=Known(),
        kept=kept,
    )

    assert models(TURN, by)[0] == "coder"
    assert "the conversation's own" in chosen(TURN, by).decision.candidates[0].reasons
    assert models(asking("x"), by)[0] == "large"
    assert models(TURN, auto(kept=kept))[0] == "large"


def test_a_conversation_leaves_a_model_that_cannot_go_on():
    kept = Kept()
    kept.keep(features(call(TURN)).conversation, Choice("", "up-large", "large"))

    assert models(TURN, auto(kept=kept))[0] == "large"
    assert models(TURN, auto(kept=kept, outlook=Known(down={"up-large"})))[0] != "large"


NAMES = sorted(OFFERED)
BODIES = st.builds(
    lambda size, tools, image, bound, preset: {
        "model": "auto",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "x" * size},
                    *([{"type": "image_url"}] if image else []),
                ],
            }
        ],
        **({"tools": [{}]} if tools else {}),
        **({"max_tokens": bound} if bound else {}),
        "hyperbridge": {"preset": preset},
    },
    st.integers(0, 600_000) | st.integers(0, 40_000),
    st.booleans(),
    st.booleans(),
    st.just(0) | st.integers(0, 200_000),
    st.sampled_from([[], ["short"], ["long"]]),
)
SETTING = st.fixed_dictionaries({name: st.sampled_from([{}, {"max_tokens": b"7000"}]) for name in NAMES})
PROBABILITIES = st.dictionaries(
    st.sampled_from([*sorted(MODES.keys() - {"empty"}), "none"]), st.floats(0, 1), min_size=1
)


def sent(asked: Call, route: Route, mode: str) -> Call:
    """The call as an upstream sees it."""
    manner = MANNERS.of(replace(asked.wishes, mode=mode))
    (route,) = in_manner(Plan([route]), manner, manner).routes
    request = lensed(asked.request, asked.operation, manner.lens)
    members = members_to_set(asked.operation, request, route, way_of(asked, route, "vllm"))
    return replace(asked, request=Request.parse(request.members.replaced(members), asked.operation))


@given(
    body=BODIES,
    allowed=st.none() | st.frozensets(st.sampled_from(NAMES)),
    down=st.frozensets(st.sampled_from([f"up-{name}" for name in NAMES])),
    gone=st.frozensets(st.sampled_from(NAMES)),
    likely=PROBABILITIES,
    order_by=st.sampled_from(["quality", "fastest", "cheapest", "weighted"]),
    setting=SETTING,
)
def test_a_decision_is_always_the_same_and_never_of_what_cannot_be(
    body, allowed, down, gone, likely, order_by, setting
):
    caller = Caller("a", allowed)
    asked = call(body, caller=caller)
    seen = features(asked)
    offered = {name: Plan([replace(OFFERED[name].routes[0], defaults=setting[name])]) for name in NAMES}
    by = auto(Sure(likely), Known(down=down, gone=gone), offered=offered, order_by=order_by)

    def decided():
        return by.decide(asked, seen, NOW)

    decision = decided()
    assert decided() == decision
    names = [name for name in NAMES if decision.mode != "house" or name == "small"]
    assert sorted(each.name for each in decision.candidates) == names
    assert all(0 <= each.score <= 1 for each in decision.candidates)
    try:
        found = by.choose(asked, NOW).offers
    except (NoModelFits, ForbiddenModel):
        assert not any(DOUBTS.issuperset(each.against) for each in decision.candidates)
        return
    for offer in found:
        holds = offer.entry.context_tokens if offer.entry is not None else float("inf")
        needed = features(sent(asked, offer.route, decision.mode))
        assert caller.may_use(offer.name)
        assert needed.prompt_tokens + needed.answer_tokens <= holds
        assert not seen.images or (offer.entry is not None and "image" in offer.entry.modalities)
        assert not seen.tools or offer.entry is None or offer.entry.tools


def test_fallbacks_of_the_best_stand_behind_the_others():
    first = Route("up", "large", "large", "configured")
    behind = replace(first, model="spare", reason="fallback to spare", when=frozenset({"server"}))
    by = Auto(
        config.Router(candidates=1),
        MODES,
        {"large": Plan([first, behind])},
        general=["large"],
        choosable=MODES,
        manner=MANNERS.of,
        output_tokens=1024,
        entry=ENTRIES.get,
        classifier=lambda: None,
        outlook=Known(),
        kept=Kept(),
    )

    assert [route.model for route in chosen(asking("x"), by).plan.routes] == ["large", "spare"]
