"""Adapters by the model's name: each call gets the one that it names, and no trace of another."""

import asyncio

from app.contracts import ModelCard
from tests.adapters.embedded.conftest import CHAT, asking

BASE = "gguf/tiny"
POET = "gguf/tiny:poet"
JUDGE = "gguf/tiny:judge"


async def said(client, model: str, **members) -> tuple[str, str]:
    """The name in the answer, and its greedy text."""
    answer = await client.post("/v1/chat/completions", json={"model": model, **CHAT, **members})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found["model"], found["choices"][0]["message"]["content"]


async def test_an_adapter_changes_what_is_said_and_leaves_the_base_as_it_was(client):
    base, poet, judge = [await said(client, model) for model in (BASE, POET, JUDGE)]
    again = [await said(client, model) for model in (BASE, POET, JUDGE, BASE)]

    assert [name for name, _ in (base, poet, judge)] == ["tiny", "tiny:poet", "tiny:judge"]
    assert len({base[1], poet[1], judge[1]}) == 3
    assert again == [base, poet, judge, base]


async def test_a_client_can_neither_choose_adapters_by_a_member_nor_bring_the_cache_back(client):
    base = await said(client, BASE)

    assert await said(client, BASE, lora=[{"id": 0, "scale": 1.0}], cache_prompt=True) == base
    await said(client, POET, cache_prompt=True)
    assert await said(client, BASE, cache_prompt=True) == base


async def test_completions_and_responses_take_adapters(client):
    texts = set()
    for model in (BASE, POET):
        for path, members in (
            ("/v1/completions", {"prompt": "Hello", "max_tokens": 8}),
            ("/v1/responses", {"input": "Hello", "max_output_tokens": 8}),
        ):
            answer = await client.post(path, json={"model": model, "temperature": 0, **members})
            found = answer.json()
            texts.add(
                found["choices"][0]["text"]
                if "choices" in found
                else found["output"][0]["content"][0]["text"]
            )

    assert len(texts) == 4


async def test_messages_are_not_offered_with_an_adapter(client):
    answer = await client.post(
        "/v1/messages", json={"model": POET, "max_tokens": 4, "messages": CHAT["messages"]}
    )

    assert answer.status_code == 501


async def test_base_and_adapters_answer_at_once_without_mixing(embedded):
    async def text(model: str) -> bytes:
        outbound = asking("/v1/completions", model=model, prompt="Hello", max_tokens=24, temperature=0)
        async with embedded.open(outbound) as answer:
            return (await answer.read()).split(b'"text":')[1].split(b',"index"')[0]

    names = ["tiny", "tiny:poet", "tiny:judge"] * 3
    alone = {name: await text(name) for name in names[:3]}
    together = await asyncio.gather(*map(text, names))

    assert together == [alone[name] for name in names]


async def test_models_are_listed_with_the_base_as_parent(client, embedded):
    assert list(await embedded.models()) == [
        ModelCard("tiny", None, 131_072),
        ModelCard("tiny:poet", "tiny", 131_072),
        ModelCard("tiny:judge", "tiny", 131_072),
    ]
    listed = {model["id"] for model in (await client.get("/v1/models")).json()["data"]}
    assert listed >= {"words", "verses", BASE, POET, JUDGE}
