"""The fake Nebius: who is let in, what it refuses and how, tiers and limits, its catalogue."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from sim.limits import Limits
from sim.nebius import Nebius
from sim.server import Twin
from tests.sim.asking import CHAT, body, chunks

KEY = {"authorization": "Bearer right"}


@asynccontextmanager
async def asking(house: Nebius) -> AsyncGenerator[httpx.AsyncClient]:
    twin = Twin(house=house)
    port = await twin.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1", headers=KEY, timeout=10) as http:
            yield http
    finally:
        await twin.stop()


async def test_without_the_right_key_nobody_is_let_in():
    async with asking(Nebius(key="right")) as http:
        wrong = await http.get("/models", headers={"authorization": "Bearer wrong"})
        none = await http.get("/models", headers={"authorization": ""})

        assert (await http.get("/models")).status_code == 200
        assert (wrong.status_code, none.status_code) == (401, 401)
        assert none.json() == {"detail": "Couldn't authenticate. Reason: token is not present"}


async def test_what_is_not_there_is_said_in_fastapis_words():
    async with asking(Nebius()) as http:
        model = await http.post(CHAT, json=body("org/nobody"))
        page = await http.get("/nothing")
        method = await http.get(CHAT)

    assert (model.status_code, model.json()) == (404, {"detail": "The model `org/nobody` does not exist."})
    assert (page.status_code, page.json()) == (404, {"detail": "Not Found"})
    assert (method.status_code, method.json()) == (405, {"detail": "Method Not Allowed"})


async def test_all_faults_of_a_request_come_at_once_with_what_was_sent():
    sent = {"temperature": 1, "service_tier": "gold"}
    async with asking(Nebius()) as http:
        answer = await http.post(CHAT, json=sent)

    faults = answer.json()["detail"]
    assert answer.status_code == 422
    assert [fault["loc"][1] for fault in faults] == ["model", "messages", "service_tier"]
    assert faults[0]["input"] == sent


async def test_its_catalogue_tells_prices_when_asked():
    async with asking(Nebius()) as http:
        cards = (await http.get("/models")).json()["data"]
        verbose = (await http.get("/models?verbose=true")).json()["data"]

    assert {"twin", "deepseek-ai/DeepSeek-V3"} <= {card["id"] for card in cards}
    assert "pricing" not in cards[0]
    assert {"pricing", "context_length"} <= verbose[0].keys()
    takes = {card["id"]: card["architecture"]["modality"] for card in verbose}
    assert takes["google/gemma-3-27b-it"] == "text+image->text"
    assert takes["twin"] == "text->text"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_project_is_held_to_its_limits_and_told_of_them(stream):
    limits = Limits(5, 1_000_000, 0.0, 1e9)
    async with asking(Nebius(limits=limits)) as http:
        answers = [await http.post(CHAT, json=body(stream=stream)) for _ in range(7)]
        flex = await http.post(CHAT, json=body(service_tier="flex"))

    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert [answer.headers.get("x-ratelimit-over-limit") for answer in answers[:6]] == [None] * 5 + ["yes"]
    first, sixth = (chunks(answer)[0] if stream else answer.json() for answer in (answers[0], answers[5]))
    assert (first["service_tier"], sixth["service_tier"]) == ("default", "over-limit")
    assert answers[0].headers["x-ratelimit-remaining-requests"] == "4"
    assert answers[6].headers["retry-after"].isdecimal()
    assert answers[6].json() == {"detail": "Rate limit exceeded. Please try again later."}
    assert flex.json()["service_tier"] == "flex"


async def test_an_answers_tokens_count_against_the_limit():
    limits = Limits(1000, 1000, 0.0, 1e9)
    async with asking(Nebius(limits=limits)) as http:
        await http.post(CHAT, json=body("twin?chunks=400"))

        assert (await http.post(CHAT, json=body("twin?chunks=1"))).status_code == 200
        assert 590 < limits.tokens.level < 600


async def test_scripts_are_followed_behind_the_names_of_its_models():
    async with asking(Nebius()) as http:
        answer = await http.post(CHAT, json=body("deepseek-ai/DeepSeek-V3?status=402"))

    assert (answer.status_code, answer.json()) == (
        402,
        {"detail": "The budget of this project is exhausted."},
    )
