"""Models and LoRA adapters: listed with their parents, asked for by name, loaded and taken away at run time."""

from tests.vllm.asking import MESSAGES, asked, chat
from tests.vllm.server import LISTED_ADAPTERS


async def test_adapters_are_listed_below_their_base(client):
    listed = (await client.get("/v1/models")).json()["data"]

    parents = {card["id"]: card["parent"] for card in listed}
    assert parents == {
        "house": None,
        "local/base": None,
        "local/poet": "local/base",
        "local/clerk": "local/base",
        "auto": None,
    }


async def test_the_list_says_the_context_and_not_where_the_weights_lie(client, vllm):
    base = await client.get("/v1/models/local/base")
    poet = await client.get("/v1/models/local/poet")

    assert base.json()["hyperbridge"]["context_tokens"] == 1024
    assert str(vllm.models) not in base.text + poet.text


async def test_base_and_adapters_say_different_things_and_each_the_same_twice(client):
    names = ["local/base", *(f"local/{name}" for name in LISTED_ADAPTERS)]
    texts = {
        name: (await asked(client, chat(name)))["choices"][0]["message"]["content"] for name in names * 2
    }

    assert len(set(texts.values())) == len(names)
    for name, text in texts.items():
        assert (await asked(client, chat(name)))["choices"][0]["message"]["content"] == text


async def test_an_alias_answers_as_the_model_behind_it_within_its_own_bounds(client):
    aliased = await asked(client, {"model": "house", "messages": MESSAGES, "temperature": 0})
    named = await asked(client, chat("local/base", max_tokens=12))

    assert aliased["choices"] == named["choices"]
