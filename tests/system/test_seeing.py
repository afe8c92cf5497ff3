"""What ops people see: metrics, log lines, health."""

import asyncio
import json
import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.logs import JsonLines
from app.metrics import NO_MODEL
from tests.support.gateway import gateway_of, twin_configuration

CHAT = "/v1/chat/completions"
SECRET_TEXT = "the moon is made of green cheese"


def body(model: str = "words", **more) -> dict:
    return {
        "model": model,
        "messages": [{"role": "user", "content": SECRET_TEXT}],
        "user": "alice@example.com",
    } | more


async def samples(client) -> dict[tuple[str, frozenset], float]:
    text = (await client.get("/metrics")).text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found, name: str, **labels: str) -> float:
    return sum(
        number for (each, have), number in found.items() if each == name and labels.items() <= set(have)
    )


async def lines(gateway) -> list[dict]:
    await asyncio.sleep(0.3)
    return [json.loads(line) for line in gateway.log_text().splitlines()]


async def test_a_request_is_counted_with_its_tokens(client):
    await client.post(CHAT, json=body())
    await client.post(CHAT, json=body(stream=True))

    found = await samples(client)
    same = {"model": "words", "upstream": "twin"}
    assert value(found, "hyperbridge_requests_total", operation="chat", outcome="ok", **same) == 2
    assert value(found, "hyperbridge_tokens_total", kind="input", **same) == 14
    assert value(found, "hyperbridge_tokens_total", kind="output", **same) == 16
    assert value(found, "hyperbridge_request_seconds_count", operation="chat", model="words") == 2
    assert value(found, "hyperbridge_overhead_seconds_count", operation="chat") == 2
    assert value(found, "hyperbridge_first_content_seconds_count", **same) == 1


async def test_gaps_between_chunks_are_counted_one_by_one(client):
    await client.post(CHAT, json=body("twin/x?chunks=5&gap=0.06", stream=True))

    found = await samples(client)
    # Four words behind the first, the finish, and [DONE]; the usage in front of it is not the client's.
    assert value(found, "hyperbridge_chunk_gap_seconds_count", upstream="twin") == 6
    assert value(found, "hyperbridge_chunk_gap_seconds_bucket", upstream="twin", le="0.05") == 0
    assert value(found, "hyperbridge_chunk_gap_seconds_sum", upstream="twin") >= 0.42


async def test_names_that_clients_make_up_never_become_labels(client):
    for number in range(5):
        await client.post(CHAT, json=body(f"made-up-{number}"))
        await client.post(CHAT, json=body(f"twin/made-up-{number}"))

    text = (await client.get("/metrics")).text
    assert "made-up" not in text
    found = await samples(client)
    assert value(found, "hyperbridge_requests_total", model=NO_MODEL, outcome="unknown_model") == 5
    assert value(found, "hyperbridge_requests_total", model="twin/*", outcome="ok") == 5


async def test_tokens_that_an_upstream_does_not_report_are_flagged_as_estimated(client, gateway):
    await client.post(CHAT, json=body("twin/x?usage=never&chunks=12", stream=True))

    found = await samples(client)
    assert value(found, "hyperbridge_estimated_tokens_total", upstream="twin") >= 12
    assert (await lines(gateway))[-1]["estimated"] is True


async def test_an_exchange_is_one_line_without_a_word_of_what_was_said(client, gateway):
    await client.post(CHAT, json=body())
    await client.post(CHAT, json=body("twin/x?status=422&dialect=nebius"))
    await client.post(CHAT, json=body("twin/x?cut=1", stream=True))

    found = await lines(gateway)
    assert [line["outcome"] for line in found] == ["ok", "upstream_refused", "upstream_broken"]
    first = found[0]
    assert (first["model"], first["upstream"], first["upstream_model"]) == ("words", "twin", "twin")
    assert (first["input_tokens"], first["output_tokens"], first["status"]) == (7, 8, 200)
    assert len(first["prompt"]) == 12
    assert first["prompt"] == found[1]["prompt"]
    text = gateway.log_text()
    assert SECRET_TEXT not in text
    assert "alice" not in text
    assert "word1" not in text


async def test_secrets_are_struck_out_at_the_sink():
    formatter = JsonLines(["upstream-secret-1"])
    message = "failed with upstream-secret-1, Bearer abcdefgh123 and hb-frontend-0123456789"

    line = formatter.format(logging.LogRecord("x", logging.ERROR, "", 0, message, None, None))

    assert json.loads(line)["message"] == "failed with [redacted], [redacted] and [redacted]"


async def test_all_is_well(client):
    answer = await client.get("/healthz")

    checks = {check["name"]: check["state"] for check in answer.json()["checks"]}
    checks.pop("memory")  # of this process, which has run other tests as well
    assert (answer.status_code, set(checks.values())) == (200, {"healthy"})
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    ("also", "state", "status"), [("", "unhealthy", 503), ("  demo: {kind: demo}", "degraded", 200)]
)
async def test_an_upstream_that_is_gone_is_named_with_what_to_do(client, tmp_path, also, state, status):
    yaml = f"""
upstreams:
  gone: {{kind: openai, url: "http://127.0.0.1:9/v1"}}
{also}
"""
    async with gateway_of(yaml, tmp_path) as gateway:
        answer = await client.get(gateway.url + "/healthz")

    assert (answer.status_code, answer.json()["status"]) == (status, state)
    check = next(check for check in answer.json()["checks"] if check["name"] == "upstream:gone")
    assert check["state"] == "unhealthy"
    assert "upstreams.gone" in check["recommendation"]


async def test_metrics_can_be_turned_off(upstream, client, tmp_path):
    async with gateway_of(twin_configuration(upstream[1], "metrics: {enabled: false}"), tmp_path) as gateway:
        assert (await client.get(gateway.url + "/metrics")).status_code == 404
