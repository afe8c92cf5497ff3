"""Modes by an encoder's vectors: what is learned, its file, and where it is heard."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.demo.vectors import DIMENSIONS, vector
from app import config
from app.contracts import Call, Vector
from app.explaining import Written
from app.operations import EMBEDDINGS
from app.price_table import Price
from app.prices import Prices, prices
from app.routing import encoder
from app.routing.building import router
from app.routing.configured import ENCODER, encoder_plan
from app.routing.encoder import load
from app.routing.kept import Choice, Kept
from app.routing.listed import NOTHING
from app.routing.router import Router
from tests.routing.asking import asking, call
from tests.routing.vectored import UNKNOWN, examples, head, head_file

KNOWN = "Write a Python function that merges two sorted lists."
YAML = """
upstreams: {demo: {kind: demo}}
models: {demo: demo/demo}
router: {encoder: {model: demo/demo, file: encoder.npz}, %s}
"""


def routed(folder: Path, more: str = "default_mode: null", kept: Kept | None = None) -> Router:
    path = folder / "hyperbridge.yaml"
    path.write_text(YAML % more)
    settings = config.load(path, {})
    return router(settings, lambda: NOTHING, Written(Prices()), kept or Kept())


def with_vector(asked: Call, text: str, outcome: Any = "asked") -> Call:
    numbers = vector(text) if outcome in {"asked", "kept"} else ()
    return replace(asked, vector=Vector(outcome, numbers))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    head_file(tmp_path)
    return tmp_path


def test_what_was_learned_is_read_again(folder: Path):
    found, made = load(folder / "encoder.npz"), head()

    assert (found.labels, found.model, found.dimensions) == (("deep", "quick"), "demo", DIMENSIONS)
    assert found.classify(vector(UNKNOWN)) == made.classify(vector(UNKNOWN))
    assert found.classify(vector(UNKNOWN)).label == "deep"


def test_the_same_examples_teach_the_same():
    assert (head().weights == head().weights).all()
    assert head().examples_sha256 == head().examples_sha256


def test_the_length_of_a_vector_says_nothing():
    numbers = vector(UNKNOWN)
    longer = [17 * number for number in numbers]

    assert head().classify(longer).probabilities == pytest.approx(head().classify(numbers).probabilities)


def test_examples_are_judged_by_probabilities_that_add_up_to_one():
    found = head().probabilities([vector(each.text) for each in examples()] + [[0.0] * DIMENSIONS])

    assert found.sum(axis=1) == pytest.approx(1)
    assert found.min() >= 0


@pytest.mark.parametrize("size", [0, 10, 300, -1])
def test_a_part_of_a_file_is_refused(folder: Path, size: int):
    path = folder / "encoder.npz"
    path.write_bytes(path.read_bytes()[:size])

    with pytest.raises(ValueError, match="is no classifier of `hyperbridge router train`"):
        load(path)


@pytest.mark.parametrize(
    "wrong",
    [{"labels": ("one",)}, {"temperature": 0.0}, {"threshold": float("nan")}, {"labels": ("a", "b", "c")}],
)
def test_a_file_whose_numbers_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, Any]):
    encoder.write(replace(head(), **wrong), tmp_path / "wrong.npz")

    with pytest.raises(ValueError, match="is no classifier"):
        load(tmp_path / "wrong.npz")


def test_a_classifier_of_n_grams_is_none_of_vectors():
    shipped = Path(encoder.__file__).parents[1] / "data" / "routes.npz"

    with pytest.raises(ValueError, match="is no classifier"):
        load(shipped)


@given(st.text())
def test_of_any_text_a_bounded_part_is_read(text: str):
    read = encoder.excerpt(text)

    assert len(read) <= 901
    assert read == read.strip() or len(text) > 900
    assert bool(read) == bool(text.strip())


def test_a_file_of_another_model_keeps_the_configuration_out(tmp_path: Path):
    head_file(tmp_path, model="demo-slow")

    with pytest.raises(
        ValueError, match=r"router\.encoder\.model: .* trained with 'demo-slow', not with 'demo'"
    ):
        routed(tmp_path)


def test_a_file_that_is_none_keeps_the_configuration_out(tmp_path: Path):
    (tmp_path / "encoder.npz").write_text("none")

    with pytest.raises(
        ValueError, match=r"router\.encoder\.file: .* is no classifier of `hyperbridge router train`"
    ):
        routed(tmp_path)


def test_a_file_of_another_length_keeps_the_configuration_out(folder: Path):
    path = folder / "hyperbridge.yaml"
    path.write_text(YAML.replace("npz", "npz, dimensions: 32") % "learned: true")

    with pytest.raises(
        ValueError, match=r"router\.encoder\.dimensions: .* trained with vectors of 64, not of 32"
    ):
        router(config.load(path, {}), lambda: NOTHING, Written(Prices()), Kept())


def test_a_vector_decides_where_the_n_grams_abstain(folder: Path):
    asked = call(asking(UNKNOWN))
    routing = routed(folder)

    assert routing.question(asked) == UNKNOWN
    decision = routing.decide(with_vector(asked, UNKNOWN)).decision
    assert decision is not None
    assert (decision.mode, decision.by, decision.encoder) == ("deep", "encoder", "asked")
    assert set(decision.probabilities) == {"deep", "quick"}
    assert f"by=encoder; p={decision.probabilities['deep']:.2f}; encoder=asked" in decision.reason


@pytest.mark.parametrize("outcome", ["late", "failed", "unfit", "busy", "resting"])
def test_without_a_vector_the_default_mode_stands_and_says_why(folder: Path, outcome: str):
    routing = routed(folder, "default_mode: ideas")
    decision = routing.decide(with_vector(call(asking(UNKNOWN)), UNKNOWN, outcome)).decision

    assert decision is not None
    assert (decision.mode, decision.by, decision.encoder) == ("ideas", "default", outcome)
    assert f"encoder={outcome}" in decision.reason


def test_a_vector_that_is_not_sure_enough_leaves_the_default_mode(folder: Path):
    encoder.write(replace(head(), temperature=50.0), folder / "encoder.npz")
    routing = routed(folder, "threshold: 0.9, default_mode: ideas")
    decision = routing.decide(with_vector(call(asking(UNKNOWN)), UNKNOWN)).decision

    assert decision is not None
    assert (decision.mode, decision.by, decision.encoder) == ("ideas", "default", "asked")
    assert set(decision.probabilities) == {"deep", "quick"}


@pytest.mark.parametrize(
    "asked",
    [
        call(asking(KNOWN)),
        call(asking(UNKNOWN, "demo")),
        call(asking(UNKNOWN, hyperbridge={"mode": "code"})),
        call(asking(f"{UNKNOWN}\n```\ncode\n```")),
        call({"model": "auto", "input": UNKNOWN}, EMBEDDINGS),
    ],
    ids=["classifier", "named", "client", "rule", "plain"],
)
def test_where_the_mode_is_known_or_nothing_is_said_there_is_no_question(folder: Path, asked: Call):
    routing = routed(folder)

    assert routing.question(asked) == ""
    assert routing.decide(with_vector(asked, UNKNOWN)) == routing.decide(asked)


def test_without_an_encoder_there_is_no_question(folder: Path):
    path = folder / "hyperbridge.yaml"
    path.write_text("upstreams: {demo: {kind: demo}}\nmodels: {demo: demo/demo}\n")
    routing = router(config.load(path, {}), lambda: NOTHING, Written(Prices()), Kept())

    assert routing.question(call(asking(UNKNOWN))) == ""
    assert routing.dimensions == 0


def test_a_conversation_that_has_a_mode_stays_in_it_unasked(folder: Path):
    kept = Kept()
    routing = routed(folder, kept=kept)
    asked = call(asking(UNKNOWN, hyperbridge={"conversation": "c"}))
    plan = routing.decide(asked)
    assert plan.decision is not None

    kept.keep(plan.decision.conversation, Choice("", "demo", "demo"))
    assert routing.question(asked) == UNKNOWN
    kept.keep(plan.decision.conversation, Choice("code", "demo", "demo"))
    assert routing.question(asked) == ""
    decision = routing.decide(with_vector(asked, UNKNOWN)).decision
    assert decision is not None
    assert (decision.mode, decision.by) == ("code", "conversation")


def test_a_price_is_that_of_the_model_whichever_name_it_is_asked_by(folder: Path):
    path = folder / "hyperbridge.yaml"
    path.write_text(
        "upstreams: {twin: {kind: openai, url: 'http://127.0.0.1:9/v1'}}\n"
        "models: {vectors: {upstream: twin, model: v, price: {input: 1, output: 0}}}\n"
    )
    settings = config.load(path, {})
    (route,) = encoder_plan("vectors", settings).routes
    assert (route.alias, route.model) == (ENCODER, "v")
    assert prices(settings).of(route) == Price.of(1, 0)


def test_only_the_same_model_stands_in_for_the_encoder(folder: Path):
    path = folder / "hyperbridge.yaml"
    path.write_text(
        "upstreams: {a: {kind: openai, url: 'http://127.0.0.1:9/v1'}, b: {kind: openai, url: 'http://127.0.0.1:9/v1'}}\n"
        "models: {vectors: {upstream: a, model: v, fallbacks: [b/w, b/v], hedge: {share: 0.1}}}\n"
    )
    plan = encoder_plan("vectors", config.load(path, {}))
    assert [(route.upstream, route.model) for route in plan.routes] == [("a", "v"), ("b", "v")]
    assert plan.policy.hedging is None
