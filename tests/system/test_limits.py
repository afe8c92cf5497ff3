"""Limits as clients meet them."""

import asyncio
from collections.abc import AsyncGenerator
from hashlib import sha256

import httpx
import openai
import pytest

from chaos.redis_server import redis_server
from tests.support.gateway import gateway_of, twin_configuration

CHAT = "/v1/chat/completions"
ONE, TWO = "hb-one-00000001", "hb-two-00000002"
BODY = {"model": "words", "max_tokens": 40, "messages": [{"role": "user", "content": "word " * 48}]}
"""60 tokens of prompt and 40 of answer, as the gateway reckons before it has asked."""


def settings(url: str, limits: str, rules: str = "") -> str:
    return twin_configuration(
        url,
        f"""
  long: twin/twin?chunks=40&gap=0.05
  broken: twin/twin?status=400
  down: twin/twin?status=503
limits: {{rules: [{rules}]}}
keys:
  - {{id: one, sha256: {sha256(ONE.encode()).hexdigest()}, models: ["*"], limits: {{{limits}}}}}
  - {{id: two, sha256: {sha256(TWO.encode()).hexdigest()}, models: ["*"]}}
""",
    )


@pytest.fixture
async def asked(upstream, tmp_path, request) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a gateway with the limits that the test's parameter says."""
    async with (
        gateway_of(settings(upstream[1], *request.param), tmp_path) as gateway,
        httpx.AsyncClient(
            base_url=gateway.url, headers={"authorization": f"Bearer {ONE}"}, timeout=20
        ) as client,
    ):
        yield client


def limited(*limits: str):
    return pytest.mark.parametrize("asked", [limits], indirect=True, ids=[" ".join(limits)])


@limited("requests: 3/hour")
async def test_headers_count_down_and_the_refusal_says_which_limit_and_when_it_frees(asked):
    answers = [await asked.post(CHAT, json=BODY) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    left = [answer.headers["x-ratelimit-remaining-requests"] for answer in answers]
    assert left == ["2", "1", "0", "0"]
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in answers} == {"3"}
    assert answers[0].headers["x-ratelimit-reset-requests"] in {"19m59s", "20m0s"}
    refused = answers[3]
    assert 1190 <= int(refused.headers["retry-after"]) <= 1200
    assert refused.headers["x-should-retry"] == "false"
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert error["message"].startswith("The key 'one' has used its 3 requests per hour: ask again in ")


@limited("requests: 1/hour")
async def test_the_official_client_sees_a_rate_limit_and_does_not_ask_again_in_vain(asked):
    async with openai.AsyncOpenAI(base_url=f"{asked.base_url}/v1", api_key=ONE) as client:
        await client.chat.completions.create(model="words", messages=[])
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(model="words", messages=[])

    assert refused.value.code == "rate_limit_exceeded"
    metrics = (await asked.get("/metrics")).text
    assert 'hyperbridge_limit_refusals_total{measure="requests",per="key"} 1.0' in metrics
    assert 'model="words",operation="chat",outcome="limit_reached",upstream="unknown"} 1.0' in metrics


@limited("requests: 2/hour")
async def test_a_request_that_is_refused_for_another_reason_costs_nothing(asked):
    assert (await asked.post(CHAT, json=BODY | {"model": "nothing"})).status_code == 404
    assert (await asked.post(CHAT, content=b"{")).status_code == 400
    assert (await asked.post(CHAT, json=BODY)).headers["x-ratelimit-remaining-requests"] == "1"


@limited("tokens: 1000/hour")
async def test_what_was_not_used_is_given_back_when_an_answer_ends_or_fails(asked):
    first = await asked.post(CHAT, json=BODY)  # reserves 100 tokens
    used = first.json()["usage"]["total_tokens"]
    await asked.post(CHAT, json=BODY | {"model": "broken"})
    last = await asked.post(CHAT, json=BODY)

    assert first.headers["x-ratelimit-remaining-tokens"] == "900"
    assert int(last.headers["x-ratelimit-remaining-tokens"]) == pytest.approx(900 - used, abs=1)


@limited("tokens: 1000/hour")
async def test_a_client_that_leaves_pays_for_what_was_written_and_no_more(asked):
    body = BODY | {"model": "long", "stream": True}
    async with asked.stream("POST", CHAT, json=body) as answer:
        async for _ in answer.aiter_lines():
            break

    async def left() -> int:
        return int((await asked.post(CHAT, json=BODY)).headers["x-ratelimit-remaining-tokens"])

    await asyncio.sleep(0.2)
    assert 700 < await left() < 900  # less 100 reserved, some 50 of the prompt, and the few words that came


@limited("tokens: 90/minute")
async def test_who_asks_for_more_than_the_limit_is_told_to_ask_for_less(asked):
    refused = await asked.post(CHAT, json=BODY)

    assert refused.status_code == 429
    assert (
        "could take 100 tokens: shorten the prompt or lower max_tokens" in refused.json()["error"]["message"]
    )
    assert (await asked.post(CHAT, json=BODY | {"max_tokens": 20})).status_code == 200


@limited("concurrent: 2")
async def test_no_more_calls_run_than_may_and_a_place_is_free_as_soon_as_one_ends(asked):
    body = BODY | {"model": "long", "stream": True}
    async with (
        asked.stream("POST", CHAT, json=body) as first,
        asked.stream("POST", CHAT, json=body) as second,
    ):
        refused = await asked.post(CHAT, json=BODY)
        assert [first.status_code, second.status_code, refused.status_code] == [200, 200, 429]
        assert "may have 2 calls at once" in refused.json()["error"]["message"]

    statuses: list[int] = []
    for _ in range(50):
        statuses.append((await asked.post(CHAT, json=BODY)).status_code)
        if statuses[-1] == 200:
            break
        await asyncio.sleep(0.02)
    assert statuses[-1] == 200


@limited("", "{per: everyone, requests: 3/hour}")
async def test_everyone_shares_what_is_everyones(asked):
    two = {"authorization": f"Bearer {TWO}"}
    answers = [await asked.post(CHAT, json=BODY, headers=each) for each in ({}, two, {}, two)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json()["error"]["message"].startswith("This gateway has used its 3 requests per hour")


@limited("", "{per: user, requests: 1/hour}")
async def test_each_user_of_a_key_has_its_own_and_those_without_a_name_share_one(asked):
    async def status(**user: str) -> int:
        return (await asked.post(CHAT, json=BODY | user)).status_code

    assert [await status(user="a"), await status(user="b"), await status(user="a")] == [200, 200, 429]
    assert [await status(), await status()] == [200, 429]


@limited("", "{per: key+model, requests: 1/hour}")
async def test_each_model_of_a_key_has_its_own(asked):
    models = ["words", "twin/twin", "words"]
    assert [(await asked.post(CHAT, json=BODY | {"model": each})).status_code for each in models] == [
        200,
        200,
        429,
    ]


@limited("", "{per: key+model, models: [words], requests: 1/hour}")
async def test_the_limits_of_a_model_hold_where_a_client_falls_back_to_it_too(asked):
    fallen = BODY | {"model": "down", "models": ["words"]}
    unused = BODY | {"model": "long", "models": ["words"]}

    answers = [await asked.post(CHAT, json=body) for body in (unused, fallen, fallen, BODY, unused)]

    assert [answer.status_code for answer in answers] == [200, 200, 503, 429, 200]


@limited("requests: 1/hour")
async def test_an_error_of_the_upstream_tells_what_is_left_too(asked):
    answer = await asked.post(CHAT, json=BODY | {"model": "broken"})

    assert answer.status_code == 400
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"


async def test_money_is_reserved_by_the_models_price_and_settled_by_what_was_used(upstream, tmp_path):
    more = settings(upstream[1], "usd: 0.02/month").replace(
        "  words: twin/twin", "  words: {upstream: twin, model: twin, price: {input: 50, output: 100}}"
    )
    async with (
        gateway_of(more, tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {ONE}"}) as client,
    ):
        answers = []
        for _ in range(20):  # 60 * 50 + 40 * 100 = 7000 millionths of a dollar are reserved for each
            answers.append(await client.post(CHAT, json=BODY))
            if answers[-1].status_code != 200:
                break

    refused = answers[-1]
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "insufficient_quota"
    assert "has spent its budget of $0.02 per month" in refused.json()["error"]["message"]
    usages = [answer.json()["usage"] for answer in answers[:-1]]
    spent = sum(each["prompt_tokens"] * 50 + each["completion_tokens"] * 100 for each in usages)
    assert 20_000 - 7000 < spent <= 20_000


async def test_a_gateway_whose_redis_is_gone_answers_and_says_that_it_is_degraded(upstream, tmp_path):
    more = settings(upstream[1], "requests: 3/hour") + 'redis: {url: "redis://127.0.0.1:1/0"}\n'
    async with (
        gateway_of(more, tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {ONE}"}) as client,
    ):
        statuses = [(await client.post(CHAT, json=BODY)).status_code for _ in range(4)]
        checks = {each["name"]: each for each in (await client.get("/healthz")).json()["checks"]}

    assert statuses == [200, 200, 200, 429]
    assert checks["limits"]["state"] == "degraded"
    assert "redis.url" in checks["limits"]["recommendation"]


async def test_without_a_share_a_gateway_whose_redis_is_gone_admits_nobody(upstream, tmp_path):
    more = settings(upstream[1], "requests: 3/hour").replace(
        "limits: {rules", "limits: {offline_share: 0, rules"
    )
    async with (
        gateway_of(more + 'redis: {url: "redis://127.0.0.1:1/0"}\n', tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {ONE}"}) as client,
    ):
        refused = await client.post(CHAT, json=BODY)
        free = await client.post(CHAT, json=BODY, headers={"authorization": f"Bearer {TWO}"})

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "limits_unknown")
    assert free.status_code == 200  # nothing is counted for this key


async def test_an_upstream_with_a_budget_is_asked_though_nobody_may_be_admitted_without_redis(
    upstream, tmp_path
):
    paced = settings(upstream[1], "").replace(
        "timeouts: {connect", "pacing: {requests_per_minute: 60}, timeouts: {connect", 1
    )
    more = paced.replace("limits: {rules", "limits: {offline_share: 0, rules", 1)
    async with (
        gateway_of(more + 'redis: {url: "redis://127.0.0.1:1/0"}\n', tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {TWO}"}) as client,
    ):
        assert (await client.post(CHAT, json=BODY)).status_code == 200


@pytest.fixture
def redis(tmp_path):
    with redis_server(tmp_path) as server:
        yield server


async def test_numbers_that_a_client_makes_up_stop_nobody_else(upstream, tmp_path, redis):
    more = (
        settings(upstream[1], "tokens: 1000/hour, usd: 5/month, concurrent: 5")
        + f'redis: {{url: "{redis.url}"}}\n'
    )
    wild: list[dict[str, object]] = [
        {"max_tokens": 999999999999999, "n": 999999999999999},
        {"max_tokens": 10**30},
        {"user": "x" * 100_000, "n": 10**15},
    ]
    async with (
        gateway_of(more, tmp_path) as gateway,
        httpx.AsyncClient(
            base_url=gateway.url, headers={"authorization": f"Bearer {ONE}"}, timeout=5
        ) as client,
    ):
        statuses = [(await client.post(CHAT, json=BODY | each)).status_code for each in wild]
        after = await client.post(CHAT, json=BODY)

    assert statuses == [429, 429, 429]
    assert after.status_code == 200


@limited("tokens: 1000/hour")
async def test_a_client_that_leaves_before_the_answer_pays_for_its_prompt(asked):
    with pytest.raises(httpx.ReadTimeout):
        await asked.post(CHAT, json=BODY | {"model": "twin/twin?head=30"}, timeout=0.5)
    await asyncio.sleep(0.3)

    last = await asked.post(CHAT, json=BODY)
    assert int(last.headers["x-ratelimit-remaining-tokens"]) == pytest.approx(1000 - 60 - 100, abs=1)


@limited("requests: 2/hour, tokens: 100/hour")
async def test_a_dry_run_is_a_request_of_no_tokens(asked):
    long = BODY | {"messages": [{"role": "user", "content": "word " * 1000}]}
    first = await asked.post("/v1/route", json=long, headers={"x-request-id": "dry-1"})
    answer = await asked.post(CHAT, json=BODY)
    refused = await asked.post("/v1/route", json=BODY)

    assert [each.status_code for each in (first, answer, refused)] == [200, 200, 429]
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-remaining-tokens"] == "100"
    assert first.headers["x-request-id"] == "dry-1"
    assert refused.json()["error"]["message"].startswith("The key 'one' has used its 2 requests per hour")
    assert int(refused.headers["retry-after"]) > 0


@limited("usd: 0.000000001/day, tokens: 1/hour")
async def test_a_dry_run_needs_no_budget(asked):
    assert (await asked.post(CHAT, json=BODY)).status_code == 429
    assert (await asked.post("/v1/route", json=BODY)).status_code == 200
