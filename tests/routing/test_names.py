"""What a name means: an alias, an upstream's model, an adapter of it, or a model that one upstream alone has."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contracts import Caller, ModelCard, Plan, Route
from app.errors import ForbiddenModel, UnknownModel
from app.routing.fixed import Fixed
from app.routing.listed import Listed, lacks, names
from app.routing.nearest import nearest

STOCKS: Mapping[str, list[ModelCard]] = {
    "local": [
        ModelCard("base"),
        ModelCard("poet", "base"),
        ModelCard("clerk", "base"),
        ModelCard("Qwen/Qwen3-8B"),
    ],
    "tiny": [ModelCard("small"), ModelCard("small:judge", "small")],
    "nebius": [ModelCard("Qwen/Qwen3-8B"), ModelCard("google/gemma-2-27b-it"), ModelCard("house")],
}
HOUSE = Plan((Route("local", "base", "house", "configured"),))
EVERYONE = Caller("everyone")


def fixed(listed: Listed | None = None) -> Fixed:
    known = Listed.of(STOCKS) if listed is None else listed
    return Fixed({"house": HOUSE}, {upstream: {} for upstream in STOCKS}, lambda: known)


def meant(asked: str, caller: Caller = EVERYONE, listed: Listed | None = None) -> str:
    route = fixed(listed).plan(caller, asked).routes[0]
    return f"{route.upstream} {route.model}"


def may(*models: str) -> Caller:
    return Caller("some", frozenset(models))


@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("house", "local base"),
        ("local/base", "local base"),
        ("local/poet", "local poet"),
        ("local/base:poet", "local poet"),
        ("local/just-loaded", "local just-loaded"),
        ("tiny/small:judge", "tiny small:judge"),
        ("nebius/house", "nebius house"),
        ("nebius/new/Model-1", "nebius new/Model-1"),
        ("nebius/openai/gpt:free", "nebius openai/gpt:free"),
        ("google/gemma-2-27b-it", "nebius google/gemma-2-27b-it"),
        ("poet", "local poet"),
        ("base:poet", "local poet"),
        ("small:judge", "tiny small:judge"),
    ],
)
def test_a_name_goes_to_what_it_means(asked, route):
    assert meant(asked) == route


@pytest.mark.parametrize("asked", ["local/base", "local/base:poet", "local/poet", "house"])
def test_what_an_upstream_never_listed_is_asked_as_it_was_written(asked):
    assert meant(asked, listed=Listed()) == ("local base" if asked == "house" else asked.replace("/", " ", 1))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("hause", "The model 'hause' does not exist. Did you mean 'house'?"),
        ("GEMMA-2-27b", "The model 'GEMMA-2-27b' does not exist. Did you mean 'nebius/google/gemma-2-27b-it'?"),
        ("local/base:pot", "'local/base' has no adapter 'pot'. Did you mean 'local/base:poet'?"),
        ("local/base:zzzzzzz", "'local/base' has no adapter 'zzzzzzz'. Did you mean 'local/base:clerk' or 'local/base:poet'?"),
        ("tiny/small:poet", "'tiny/small' has no adapter 'poet'. Did you mean 'tiny/small:judge'?"),
        (
            "Qwen/Qwen3-8B",
            "More than one upstream has 'Qwen/Qwen3-8B': ask for 'local/Qwen/Qwen3-8B' or 'nebius/Qwen/Qwen3-8B'.",
        ),
    ],
)  # fmt: skip
def test_a_name_that_means_nothing_or_two_things_is_answered_with_what_would_be_right(asked, message):
    with pytest.raises(UnknownModel) as refused:
        meant(asked)

    assert refused.value.message == message


@pytest.mark.parametrize(
    ("right", "asked"),
    [
        ("house", "house"),
        ("nebius/google/gemma-2-27b-it", "google/gemma-2-27b-it"),
        ("nebius/Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("local/poet", "local/base:poet"),
        ("local/base:poet", "local/poet"),
        ("local/base:poet", "poet"),
        ("tiny/small:judge", "small:judge"),
        ("local/just-loaded", "local/just-loaded"),
    ],
)
def test_a_key_may_use_a_model_by_every_name_of_it(right, asked):
    assert meant(asked, may(right)) == meant(right)


@pytest.mark.parametrize(
    ("right", "asked"),
    [
        ("local/base", "house"),
        ("house", "local/base"),
        ("local/base", "local/poet"),
        ("local/base", "local/base:poet"),
        ("local/poet", "local/base"),
        ("local/poet", "local/base:nobody"),
        ("house", "nebius/house"),
        ("nebius/house", "house"),
        ("local/base", "nothing"),
        ("local/Qwen/Qwen3-8B", "nebius/Qwen/Qwen3-8B"),
    ],
)
def test_a_key_may_use_nothing_else_and_is_not_told_what_there_is(right, asked):
    with pytest.raises(ForbiddenModel) as refused:
        meant(asked, may(right))

    assert refused.value.message.endswith(f"(allowed: {right}).")


def test_the_nearest_names_are_of_those_that_the_key_may_use():
    with pytest.raises(UnknownModel) as refused:
        meant("local/base:pot", may("local/base:pot", "local/clerk"))

    assert "Did you mean 'local/base:clerk'?" in refused.value.message


def test_an_upstream_that_was_taken_out_of_the_configuration_is_not_found_by_its_models():
    routing = Fixed({}, {"nebius": {}}, lambda: Listed.of(STOCKS))

    with pytest.raises(UnknownModel):
        routing.plan(EVERYONE, "poet")
    assert routing.plan(EVERYONE, "Qwen/Qwen3-8B").routes[0].upstream == "nebius"


IDS = st.text("ab:/-", min_size=1, max_size=6)
CARDS = st.lists(st.builds(ModelCard, IDS, st.none() | IDS), max_size=6)


@given(st.dictionaries(st.sampled_from(["a", "b"]), CARDS), IDS, st.sets(IDS))
def test_whatever_is_listed_a_key_reaches_only_what_it_names(stocks, asked, rights):
    listed = Listed.of(stocks)
    routing = Fixed({}, {"a": {}, "b": {}}, lambda: listed)
    try:
        route = routing.plan(Caller("some", frozenset(rights)), asked).routes[0]
    except (ForbiddenModel, UnknownModel):
        return
    card = listed.card(route.upstream, route.model) or ModelCard(route.model)
    assert rights & {f"{route.upstream}/{name}" for name in names(card)}


@given(st.text(max_size=300), st.lists(st.text(max_size=40), max_size=8))
def test_the_nearest_names_are_at_most_three_of_those_there_are(asked, known):
    found = nearest(asked, known)

    assert len(found) <= 3
    assert set(found) <= set(known)


@pytest.mark.parametrize(
    ("kind", "listed", "model", "missing"),
    [
        ("nebius", ["a"], "b", True),
        ("vllm", ["a"], "b", True),
        ("openai", ["a"], "b", False),
        ("openai", ["a", "c"], "b", True),
        ("openai", ["a", "b:latest"], "b", False),
        ("nebius", ["a", "b"], "b", False),
        ("nebius", [], "b", False),
        ("demo", ["a", "c"], "b", False),
    ],
)
def test_a_list_says_that_a_model_is_missing_where_it_says_so_of_every_name(kind, listed, model, missing):
    assert lacks(kind, listed, model) is missing
