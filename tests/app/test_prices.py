import json
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import config, price_table
from app.contracts import Route
from app.price_table import Price
from app.prices import FREE, prices
from app.usage import Usage

TOKENS = st.integers(0, 2**53)
DOLLARS = st.floats(0, 1_000_000, allow_nan=False) | st.decimals(0, 1000, places=4).map(float)


def of(folder, yaml):
    path = folder / "hyperbridge.yaml"
    path.write_text(yaml, "utf-8")
    return prices(config.load(path, {}))


def route(upstream, model, alias="words"):
    return Route(upstream, model, alias, "test")


@given(DOLLARS, DOLLARS, TOKENS, TOKENS)
def test_a_cost_is_exact_to_the_nano_dollar_and_rounded_once_half_to_even(read, written, inputs, outputs):
    price = Price.of(read, written)
    exact = Fraction(inputs * price.input + outputs * price.output, 1000)
    assert price.cost(Usage(inputs, outputs)) == round(exact)


@given(DOLLARS)
def test_a_price_is_what_was_written_to_the_millionth_of_a_dollar_a_million_tokens(dollars):
    assert Price.of(dollars, 0).input == int(
        (Decimal(str(dollars)) * 10**6).quantize(Decimal(1), ROUND_HALF_EVEN)
    )


def test_a_million_tokens_cost_the_price():
    price = Price.of(0.13, 0.4, 0.013)
    assert price.cost(Usage(1_000_000, 0)) == 130_000_000
    assert price.cost(Usage(0, 1_000_000)) == 400_000_000
    assert price.cost(Usage(1_000_000, 0, cached_tokens=1_000_000)) == 13_000_000


def test_cached_tokens_cost_their_own_price_and_the_others_theirs():
    assert Price.of(1, 2, 0.1).cost(Usage(100, 10, cached_tokens=40)) == 60 * 1000 + 40 * 100 + 10 * 2000


def test_cached_tokens_cost_as_much_as_others_where_nothing_is_said():
    assert Price.of(1, 2).cost(Usage(100, 0, cached_tokens=40)) == 100_000


def test_an_upstream_that_reports_more_cached_tokens_than_tokens_is_paid_for_its_tokens():
    assert Price.of(1, 1, 0.5).cost(Usage(10, 0, cached_tokens=50)) == 10 * 500


def test_the_first_that_knows_a_price_says_it(tmp_path):
    known = of(
        tmp_path,
        """
upstreams:
  nebius: {kind: nebius, api_key: a-key}
  dear: {kind: nebius, api_key: a-key, price: {input: 9, output: 9}}
  own: {kind: vllm, replicas: ["http://127.0.0.1:1/v1"]}
  demo: {kind: demo}
models:
  cheap: {upstream: dear, model: openai/gpt-oss-120b, price: {input: 1, output: 2, cached: 0}}
  words: {upstream: nebius, model: openai/gpt-oss-120b, fallbacks: [cheap, own/x]}
""",
    )
    assert known.of(route("dear", "openai/gpt-oss-120b", "cheap")) == Price.of(1, 2, 0)
    assert known.of(route("dear", "openai/gpt-oss-120b")) == Price.of(1, 2, 0), "as a fallback"
    assert known.of(route("dear", "openai/gpt-oss-120b", "dear/*")) == Price.of(1, 2, 0), "asked directly"
    assert known.of(route("dear", "another", "dear/*")) == Price.of(9, 9)
    assert known.of(route("nebius", "openai/gpt-oss-120b")) == Price.of(0.15, 0.6)
    assert known.of(route("nebius", "openai/gpt-oss-120b-fast", "nebius/*")) is None
    assert known.of(route("own", "x")) is None
    assert known.of(route("demo", "demo", "demo")) == FREE
    assert known.cost(route("own", "x"), Usage(10, 10)) == 0


def test_two_names_of_one_model_may_have_two_prices(tmp_path):
    known = of(
        tmp_path,
        """
upstreams: {own: {kind: vllm, replicas: ["http://127.0.0.1:1/v1"]}}
models:
  gold: {upstream: own, model: x, price: {input: 2}}
  lead: {upstream: own, model: x, price: {input: 1}}
  dust: own/x
""",
    )
    assert known.of(route("own", "x", "lead")) == Price.of(1, 0)
    assert known.of(route("own", "x", "gold")) == known.of(route("own", "x", "dust")) == Price.of(2, 0)


def test_the_shipped_table_has_a_version_and_prices():
    shipped = price_table.read(price_table.SHIPPED)
    assert shipped.version == "2026-10-07"
    assert shipped.prices["Qwen/Qwen3-235B-A22B-Instruct-2507"] == Price.of(0.2, 0.6)


def test_a_downloaded_catalogue_takes_the_place_of_the_shipped_one(tmp_path):
    flavors = [
        {"model_id": "a/b", "input_price_per_million_tokens": "0.5", "output_price_per_million_tokens": 1},
        {"model_id": "free", "input_price_per_million_tokens": 0, "output_price_per_million_tokens": 0},
        {"model_id": "embedding", "input_price_per_million_tokens": 0.01},
        {"model_id": "unknown", "input_price_per_million_tokens": None},
        {"model_id": "odd", "input_price_per_million_tokens": -1},
        "not a flavour",
    ]
    (tmp_path / "models.json").write_text(json.dumps({"flavors": flavors}), "utf-8")
    known = of(
        tmp_path,
        "upstreams: {nebius: {kind: nebius, api_key: a-key}}\nprices: {file: models.json}\n",
    )
    assert known.of(route("nebius", "a/b")) == Price.of(0.5, 1)
    assert known.of(route("nebius", "free")) == FREE
    assert known.of(route("nebius", "embedding")) == Price.of(0.01, 0)
    assert all(known.of(route("nebius", name)) is None for name in ("unknown", "odd", "openai/gpt-oss-120b"))
    assert known.version.startswith("20"), "the day it was written"


def test_the_public_catalogue_is_read_as_nebius_serves_it(tmp_path):
    models = [
        {
            "name": f"Model-{number}",
            "status": "active",
            "flavors": [
                {
                    "model_id": f"org/Model-{number}",
                    "max_model_len": 262144,
                    "input_price_per_million_tokens": number,
                    "output_price_per_million_tokens": 2 * number,
                }
            ],
        }
        for number in (1, 2)
    ]
    (tmp_path / "models.json").write_text(json.dumps([*models, {"name": "odd"}, 7]), "utf-8")

    assert price_table.read(tmp_path / "models.json").prices == {
        "org/Model-1": Price.of(1, 2),
        "org/Model-2": Price.of(2, 4),
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "must hold lists `flavors`"),
        ('{"flavors": []}', "holds no model_id"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_catalogue_is_a_fault_of_the_configuration(tmp_path, text, complaint):
    if text is not None:
        (tmp_path / "models.json").write_text(text, "utf-8")
    with pytest.raises(config.ConfigError, match=f"prices.file: {complaint}"):
        of(tmp_path, "upstreams: {demo: {kind: demo}}\nprices: {file: models.json}\n")


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_no_price_that_a_catalogue_may_hold_breaks_it(tmp_path_factory, value):
    file = tmp_path_factory.mktemp("catalogue") / "models.json"
    good = {"model_id": "good", "input_price_per_million_tokens": 1, "output_price_per_million_tokens": 1}
    odd = {"model_id": "odd", "input_price_per_million_tokens": value}
    file.write_text(json.dumps({"flavors": [good, odd, value]}), "utf-8")
    assert price_table.read(file).prices["good"] == Price.of(1, 1)
