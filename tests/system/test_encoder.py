"""An encoder behind `auto`, as clients meet it: asked where nothing else knows a mode, bounded in time, never in the way."""

import json
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from app.routing import encoder
from tests.routing.vectored import UNKNOWN, head_file
from tests.support.gateway import Served, gateway_of
from tests.support.waiting import answered, eventually

CHAT = "/v1/chat/completions"
KNOWN = "Write a Python function that merges two sorted lists."
KEY = "hb-front-0001"
SECONDS = 10


def body(text: str = UNKNOWN, model: str = "auto", **members: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **members}


def by_demo(
    folder: Path, more: str = "", models: str = "{demo: demo/demo}"
) -> AbstractAsyncContextManager[Served]:
    """A gateway whose encoder is the demo."""
    head_file(folder)
    yaml = f"""
upstreams: {{demo: {{kind: demo}}}}
models: {models}
router: {{default_mode: ideas, encoder: {{model: demo/demo, file: encoder.npz, timeout_seconds: 5}}}}
{more}
"""
    return gateway_of(yaml, folder)


def by_twin(
    folder: Path, url: str, model: str, seconds: float = 5, more: str = ""
) -> AbstractAsyncContextManager[Served]:
    """A gateway whose encoder is this model of the twin, which answers [0.6, 0.8]."""
    head_file(folder, model, dimensions=2)
    yaml = f"""
upstreams:
  demo: {{kind: demo}}
  twin: {{kind: openai, url: "{url}", breaker: null, price: {{input: 1, output: 2}}}}
models:
  demo: demo/demo
  vectors: {{upstream: twin, model: "{model}", retries: 0}}
router: {{default_mode: ideas, encoder: {{model: vectors, file: encoder.npz, timeout_seconds: {seconds}}}}}
modes:
  ideas: {{models: [demo]}}
  deep: {{models: [demo]}}
  quick: {{models: [demo]}}
{more}
"""
    return gateway_of(yaml, folder)


def client_of(gateway: Served) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, timeout=30)


def reasons(answer: httpx.Response) -> set[str]:
    return set(answer.headers["x-hyperbridge-reason"].split("; "))


async def metric(client: httpx.AsyncClient, name: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


async def test_a_text_that_the_n_grams_do_not_know_gets_its_mode_by_its_vector(tmp_path):
    async with by_demo(tmp_path) as gateway, client_of(gateway) as client:
        first = await client.post(CHAT, json=body(stream=True))
        again = await client.post(CHAT, json=body())
        asked = await metric(client, 'hyperbridge_encoder_seconds_count{outcome="asked"}')
        kept = await metric(client, 'hyperbridge_encoder_seconds_count{outcome="kept"}')

    assert (first.status_code, first.headers["x-hyperbridge-mode"]) == (200, "deep")
    assert "by=encoder; p=" in first.headers["x-hyperbridge-reason"]
    assert "encoder=asked" in first.headers["x-hyperbridge-reason"]
    assert again.headers["x-hyperbridge-mode"] == "deep"
    assert (asked, kept) == (1, 0)  # the second turn of this conversation stays in its mode


async def test_the_same_text_in_another_conversation_is_asked_once_for_each_key(tmp_path):
    keys = "".join(
        f"  - {{id: {name}, sha256: {sha256(name.encode() * 9).hexdigest()}, models: ['*']}}\n"
        for name in "ab"
    )
    async with by_demo(tmp_path, f"keys:\n{keys}") as gateway, client_of(gateway) as client:
        reasons = []
        for place, name in enumerate("aab"):
            asked = body(hyperbridge={"conversation": str(place)})
            answer = await client.post(CHAT, json=asked, headers={"authorization": f"Bearer {name * 9}"})
            reasons.append(answer.headers["x-hyperbridge-reason"].split("encoder=")[1].split(";")[0])

    assert reasons == ["asked", "kept", "asked"]


async def test_a_dry_run_says_what_the_encoder_said(tmp_path):
    async with by_demo(tmp_path) as gateway, client_of(gateway) as client:
        told = (await client.post("/v1/route", json=body())).json()
        known = (await client.post("/v1/route", json=body(KNOWN))).json()

    assert (told["mode"], told["by"], told["encoder"]) == ("deep", "encoder", "asked")
    assert set(told["probabilities"]) == {"deep", "quick"}
    assert told["words"] == []
    assert (known["mode"], known["by"], known["encoder"]) == ("code", "classifier", None)


async def test_what_a_dry_run_asks_the_encoder_is_found_in_the_log_by_the_id_of_the_dry_run(tmp_path):
    async with by_demo(tmp_path) as gateway, client_of(gateway) as client:
        answer = await client.post("/v1/route", json=body(), headers={"x-request-id": "dry-1"})
        await eventually(lambda: gateway.log_text().count('"id":"dry-1"') == 2, SECONDS)
        events = {json.loads(line)["event"] for line in gateway.log_text().splitlines() if "dry-1" in line}

    assert answer.headers["x-request-id"] == "dry-1"
    assert events == {"encoder", "exchange"}


async def test_what_needs_no_vector_asks_for_none(upstream, tmp_path):
    twin, url = upstream
    async with by_twin(tmp_path, url, "vectors") as gateway, client_of(gateway) as client:
        for asked in (
            body(KNOWN),
            body(model="demo"),
            body(f"{UNKNOWN} zz", hyperbridge={"mode": "code"}),
            body("```\nx\n```"),
        ):
            assert (await client.post(CHAT, json=asked)).status_code == 200
        assert not [seen for seen in twin.seen if seen.page.endswith("/embeddings")]
        await client.post(CHAT, json=body())
        (seen,) = [seen for seen in twin.seen if seen.page.endswith("/embeddings")]

    assert seen.json() == {"model": "vectors", "input": [UNKNOWN]}


async def test_a_long_text_is_read_in_part(upstream, tmp_path):
    twin, url = upstream
    async with by_twin(tmp_path, url, "vectors") as gateway, client_of(gateway) as client:
        assert (await client.post(CHAT, json=body("zorp " * 5000))).status_code == 200
        (seen,) = [seen for seen in twin.seen if seen.page.endswith("/embeddings")]

    assert len(seen.json()["input"][0]) <= 901


@pytest.mark.parametrize(
    ("model", "seconds", "outcome"),
    [
        ("own?first=20", 0.1, "late"),
        ("own?stall=0", 0.1, "late"),
        ("own?status=500", 5, "failed"),
        ("own?status=400", 5, "failed"),
        ("own?reset=1&cut=0", 5, "failed"),
        ("own?html=1", 5, "failed"),
        ("own?truncated=1", 5, "failed"),
    ],
)
async def test_an_encoder_that_does_not_answer_leaves_the_default_mode(
    upstream, tmp_path, model, seconds, outcome
):
    async with by_twin(tmp_path, upstream[1], model, seconds) as gateway, client_of(gateway) as client:
        began = time.monotonic()
        answer = await client.post(CHAT, json=body())
        took = time.monotonic() - began
        count = await metric(client, f'hyperbridge_encoder_seconds_count{{outcome="{outcome}"}}')

    assert (answer.status_code, answer.headers["x-hyperbridge-mode"]) == (200, "ideas")
    assert {"by=default", f"encoder={outcome}"} <= reasons(answer)
    assert count == 1
    assert took < 5


async def test_of_the_client_the_encoder_is_told_what_traces_the_call_and_nothing_else(upstream, tmp_path):
    twin, url = upstream
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = {"traceparent": trace, "x-request-id": "one", "openai-beta": "b", "baggage": "user=ann"}
    async with by_twin(tmp_path, url, "own") as gateway, client_of(gateway) as client:
        await client.post(CHAT, json=body(user="ann"), headers=sent)
        (seen,) = [seen for seen in twin.seen if seen.page.endswith("/embeddings")]

    assert {name: seen.headers.get(name) for name in sent} == {
        "traceparent": trace,
        "x-request-id": "one",
        "openai-beta": None,
        "baggage": None,
    }
    assert b"ann" not in seen.body


async def test_a_file_that_is_trained_anew_counts_without_a_restart(tmp_path):
    async with by_demo(tmp_path, "server: {watch_seconds: 0.1}") as gateway, client_of(gateway) as client:
        before = (await client.post("/v1/route", json=body())).json()["mode"]
        known = encoder.load(tmp_path / "encoder.npz")
        encoder.write(replace(known, labels=known.labels[::-1]), tmp_path / "encoder.npz")

        async def is_read() -> bool:
            return bool((await client.post("/v1/route", json=body())).json()["mode"] == "quick")

        await answered(is_read, SECONDS)

    assert before == "deep"


async def test_vectors_of_another_length_are_of_no_use(upstream, tmp_path):
    async with by_twin(tmp_path, upstream[1], "own") as gateway, client_of(gateway) as client:
        head_file(tmp_path, "own", dimensions=3)
        async with gateway_of((tmp_path / "hyperbridge.yaml").read_text(), tmp_path) as other:
            answer = await client.post(f"{other.url}{CHAT}", json=body())

    assert (answer.status_code, answer.headers["x-hyperbridge-mode"]) == (200, "ideas")
    assert {"by=default", "encoder=unfit"} <= reasons(answer)


async def test_an_encoder_that_keeps_failing_is_left_alone(upstream, tmp_path):
    twin, url = upstream
    async with by_twin(tmp_path, url, "own?status=500") as gateway, client_of(gateway) as client:
        outcomes = []
        for place in range(12):
            answer = await client.post(CHAT, json=body(f"{UNKNOWN} zz{place}"))
            outcomes.append(answer.headers["x-hyperbridge-reason"].split("encoder=")[1].split(";")[0])

    assert outcomes == [*["failed"] * 10, "resting", "resting"]
    assert sum(seen.page.endswith("/embeddings") for seen in twin.seen) == 10


async def test_a_client_in_a_hurry_is_not_kept_by_the_encoder_and_that_is_not_held_against_it(
    upstream, tmp_path
):
    async with by_twin(tmp_path, upstream[1], "own?first=20") as gateway, client_of(gateway) as client:
        for place in range(11):
            began = time.monotonic()
            answer = await client.post(
                CHAT, json=body(f"{UNKNOWN} zz{place}"), headers={"x-hyperbridge-timeout": "0.4"}
            )
            assert (answer.status_code, time.monotonic() - began < 2) == (200, True)
            assert "encoder=late" in answer.headers["x-hyperbridge-reason"]


async def test_a_client_that_leaves_ends_the_question(upstream, tmp_path):
    twin, url = upstream
    async with by_twin(tmp_path, url, "own?first=20", 15) as gateway, client_of(gateway) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(CHAT, json=body(), timeout=0.5)

        async def has_left() -> bool:
            return any(seen.left is not None for seen in twin.seen if seen.page.endswith("/embeddings"))

        await answered(has_left, SECONDS)


async def test_what_the_encoder_costs_is_nobodys_but_its_own(upstream, tmp_path):
    digest = sha256(KEY.encode()).hexdigest()
    more = f"""
keys: [{{id: front, sha256: {digest}, models: [demo], admin: true, limits: {{requests: 5/day}}}}]
store: {{url: "sqlite:///usage.db", flush_seconds: 0.1}}
"""
    async with by_twin(tmp_path, upstream[1], "own", more=more) as gateway, client_of(gateway) as client:
        client.headers["authorization"] = f"Bearer {KEY}"
        answer = await client.post(CHAT, json=body())

        async def used() -> dict[tuple[str, str], dict[str, float]]:
            report = (await client.get("/v1/usage", params={"by": "key,model"})).json()["data"]
            return {(row["key"], row["model"]): row for row in report}

        async def is_written() -> bool:
            return len(await used()) == 2

        await answered(is_written, SECONDS)
        found = await used()
        tokens = await metric(
            client, 'hyperbridge_tokens_total{kind="input",model="router:encoder",upstream="twin"}'
        )

    assert answer.status_code == 200
    assert answer.headers["x-ratelimit-remaining-requests"] == "4"
    assert set(found) == {("front", "demo"), ("router:encoder", "router:encoder")}
    assert tokens > 0


async def test_neither_text_nor_vector_is_in_the_log(upstream, tmp_path):
    async with by_twin(tmp_path, upstream[1], "own") as gateway, client_of(gateway) as client:
        answer = await client.post(CHAT, json=body())
        await eventually(lambda: gateway.log_text().count("\n") == 2, SECONDS)
        text = gateway.log_text()

    lines = [json.loads(line) for line in text.splitlines()]
    assert UNKNOWN not in text
    assert "0.6" not in text
    (encoder,) = [line for line in lines if line["event"] == "encoder"]
    (exchange,) = [line for line in lines if line["event"] == "exchange"]
    assert (encoder["operation"], encoder["model"], encoder["outcome"]) == (
        "embeddings",
        "router:encoder",
        "ok",
    )
    assert encoder["id"] == exchange["id"] == answer.headers["x-request-id"]
    assert "encoder=asked" in exchange["decision"]


async def test_waiting_for_the_encoder_is_no_overhead_of_the_gateway(upstream, tmp_path):
    async with by_twin(tmp_path, upstream[1], "own?first=0.4") as gateway, client_of(gateway) as client:
        await client.post(CHAT, json=body("zorp"))  # loads what the first choice needs
        await client.post(CHAT, json=body())
        await eventually(lambda: gateway.log_text().count('"event":"exchange"') == 2, SECONDS)
        lines = [line for line in gateway.log_text().splitlines() if '"event":"exchange"' in line]
        overhead = json.loads(lines[-1])["overhead_ms"]

    assert overhead < 300


async def test_an_upstream_without_vectors_keeps_the_configuration_out(tmp_path):
    head_file(tmp_path)
    yaml = """
upstreams: {a: {kind: openai, url: "http://127.0.0.1:9/v1", speaks: [chat]}}
models: {demo: a/demo}
router: {encoder: {model: demo, file: encoder.npz}}
"""
    with pytest.raises(ValueError, match=r"can make no vectors: 'a' does not offer /v1/embeddings"):
        async with gateway_of(yaml, tmp_path):
            pass
