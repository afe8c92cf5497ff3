"""What upstreams have: asked by itself, kept while they are silent, and looked through for what is missing."""

import asyncio
import logging
from collections.abc import Mapping, Sequence

import pytest

from adapters.demo import Demo
from app import config
from app.contracts import ModelCard, Source
from app.errors import UpstreamUnavailable
from app.inventory import Inventory, Stock, Stocks
from app.missing import REMINDER_SECONDS, Missing, Roll, missing
from app.routing import catalogue
from tests.support.waiting import eventually


class Shelf:
    """An upstream that has these models, or is away; and how often it was asked."""

    def __init__(self, *names: str) -> None:
        self.cards: Sequence[ModelCard] = [ModelCard(name) for name in names]
        self.away = False
        self.asked = 0

    async def models(self) -> Sequence[ModelCard]:
        self.asked += 1
        if self.away:
            raise UpstreamUnavailable("It is away.")
        return self.cards

    @property
    def source(self) -> Source:
        async def nothing() -> None: ...

        return Source(Demo(), frozenset({"chat"}), 1.0, self.models, nothing, nothing, lambda: 0)


async def test_lists_are_known_from_the_start_on_without_anybody_asking():
    shelf = Shelf("base")
    sources = {"local": shelf.source}
    inventory = Inventory(lambda: sources, lambda: 300.0)
    heard: list[Stocks] = []

    async with inventory.held(heard.append):
        assert [card.id for card in inventory.known()["local"].cards] == ["base"]
        assert inventory.listed().addresses["base"] == [("local", "base")]
        assert len(heard) == 1
    assert shelf.asked == 1


async def test_lists_are_asked_again_now_and_then(monkeypatch):
    monkeypatch.setattr("app.inventory.FRESH_SECONDS", 0.0)
    shelf = Shelf("base")
    sources = {"local": shelf.source}
    inventory = Inventory(lambda: sources, lambda: 0.02)

    async with inventory.held(lambda _: None):
        await eventually(lambda: shelf.asked >= 3)
        shelf.cards = [ModelCard("new")]
        await eventually(lambda: "new" in inventory.listed().addresses)
        shelf.away = True
        await eventually(lambda: inventory.known()["local"].failure is not None)
        assert "new" in inventory.listed().addresses, "what was listed stays while it is away"


async def test_with_0_seconds_nobody_is_asked_unless_somebody_wants_to_know():
    shelf = Shelf("base")
    sources = {"local": shelf.source}
    inventory = Inventory(lambda: sources)

    async with inventory.held(lambda _: pytest.fail("nothing should be heard")):
        await asyncio.sleep(0.05)
        assert (shelf.asked, inventory.known()) == (0, {})
        await inventory.stocks()
        assert "base" in inventory.listed().addresses


async def test_upstreams_that_came_with_another_configuration_are_asked_at_once_and_others_not_again():
    old, new = Shelf("a"), Shelf("b")
    sources = {"old": old.source}
    inventory = Inventory(lambda: sources, lambda: 300.0)

    async with inventory.held(lambda _: None):
        sources = {"old": sources["old"], "new": new.source}
        inventory.wake()
        await eventually(lambda: "b" in inventory.listed().addresses)
    assert (old.asked, new.asked) == (1, 1)


async def test_an_upstream_that_does_not_answer_holds_up_no_start_for_long():
    shelf = Shelf()

    async def never() -> Sequence[ModelCard]:
        await asyncio.sleep(60)
        return ()

    shelf.models = never  # type: ignore[method-assign]
    sources = {"local": shelf.source}
    inventory = Inventory(lambda: sources, lambda: 300.0)
    start = asyncio.get_running_loop().time()

    async with inventory.held(lambda _: None):
        assert asyncio.get_running_loop().time() - start < 5


NEBIUS = """
upstreams:
  nebius: {kind: nebius, api_key: a-key}
  local: {kind: vllm, replicas: ["http://127.0.0.1:1/v1"]}
  other: {kind: openai, url: "http://127.0.0.1:1/v1"}
  demo: {kind: demo}
models:
  old: nebius/deepseek-ai/DeepSeek-V3
  new: {upstream: nebius, model: deepseek-ai/DeepSeek-V4-Pro, fallbacks: [old, local/gone, demo/anything]}
  ours: local/poet
  made: other/qwen2.5
  toy: demo/whatever
"""


def settings(tmp_path) -> config.Config:
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(NEBIUS, "utf-8")
    return config.load(path, {})


def stock(*names: str, failure: UpstreamUnavailable | None = None) -> Stock:
    return Stock([ModelCard(name) for name in names], 0.0, failure)


WHOLE = {
    "nebius": stock("deepseek-ai/DeepSeek-V4-Pro"),
    "local": stock("base", "poet"),
    "other": stock("qwen2.5:latest", "llama3.1:8b"),
    "demo": stock("demo"),
}


def test_what_an_upstream_does_not_list_is_missing_with_what_it_has_in_its_place(tmp_path):
    found = list(missing(settings(tmp_path), WHOLE, catalogue.shipped()))

    assert found == [
        Missing("models.old", "old", "nebius", "deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V4-Pro"),
        Missing("models.new.fallbacks[1]", "new", "local", "gone"),
    ]
    assert found[0].said == "models.old: nebius does not list deepseek-ai/DeepSeek-V3"


def test_what_modes_and_the_encoder_name_without_an_alias_is_missed_as_well(tmp_path):
    routed = """
upstreams:
  local: {kind: vllm, replicas: ["http://127.0.0.1:9/v1"]}
models:
  ours: local/base
modes:
  house: {models: [ours, local/gone, local/base]}
router: {encoder: {model: local/vectors, file: encoder.npz}}
"""
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(routed, "utf-8")

    assert list(missing(config.load(path, {}), WHOLE, catalogue.shipped())) == [
        Missing("modes.house.models[1]", "local/gone", "local", "gone"),
        Missing("router.encoder.model", "local/vectors", "local", "vectors"),
    ]


@pytest.mark.parametrize(
    "stocks",
    [
        {},
        {"nebius": stock(), "local": stock()},
        {
            "nebius": stock("x", failure=UpstreamUnavailable("away")),
            "local": stock(failure=UpstreamUnavailable("away")),
        },
        {"other": stock("the-file-of-llama.cpp")},
    ],
)
def test_nothing_is_concluded_from_what_an_upstream_did_not_say(tmp_path, stocks):
    assert not list(missing(settings(tmp_path), stocks, catalogue.shipped()))


def test_a_successor_that_the_upstream_has_not_either_is_not_named(tmp_path):
    stocks = WHOLE | {"nebius": stock("openai/gpt-oss-120b")}
    found = next(missing(settings(tmp_path), stocks, catalogue.shipped()))

    assert found.successor == ""
    assert "GET /v1/models lists what nebius has" in found.advice


def test_of_what_is_missing_is_warned_at_once_and_once_a_day(tmp_path, caplog):
    told: list[Mapping[str, bool]] = []
    given = settings(tmp_path)
    roll = Roll(lambda: given, catalogue.shipped(), told.append)
    caplog.set_level(logging.WARNING)

    roll.call(WHOLE, now=1000.0)
    assert len(caplog.records) == 2
    roll.call(WHOLE, now=1000.0 + REMINDER_SECONDS - 1)
    assert len(caplog.records) == 2
    roll.call(WHOLE, now=1000.0 + REMINDER_SECONDS)
    assert len(caplog.records) == 4
    assert told[0] == {"old": True, "new": True, "ours": False, "made": False, "toy": False}

    check = roll.check()
    assert (check.name, check.state) == ("models", "degraded")
    assert "models.old: nebius has deepseek-ai/DeepSeek-V4-Pro in its place." in check.recommendation


def test_what_came_back_is_missing_no_more(tmp_path):
    told: list[Mapping[str, bool]] = []
    given = settings(tmp_path)
    roll = Roll(lambda: given, catalogue.shipped(), told.append)
    roll.call(WHOLE)
    roll.call(
        WHOLE
        | {
            "nebius": stock("deepseek-ai/DeepSeek-V4-Pro", "deepseek-ai/DeepSeek-V3"),
            "local": stock("gone", "poet"),
        }
    )

    assert roll.check().state == "healthy"
    assert not any(told[-1].values())
