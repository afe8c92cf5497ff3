"""Anthropic's interface: its error objects and its name of the request's id."""

import httpx
import pytest

from tests.support.gateway import gateway_of

BODY = {"model": "demo", "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def gateway(upstream, tmp_path):
    yaml = f"""
upstreams:
  demo: {{kind: demo}}
  twin: {{kind: openai, url: "{upstream[1]}", speaks: [messages, count_tokens]}}
models: {{demo: demo/demo}}
"""
    async with gateway_of(yaml, tmp_path) as running:
        yield running


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize(
    ("wrong", "status", "kind"),
    [
        ({"messages": 1}, 400, "invalid_request_error"),
        ({"model": "nothing"}, 404, "not_found_error"),
        ({"model": "twin/x?status=400"}, 400, "invalid_request_error"),
        ({"model": "twin/x?status=422&dialect=nebius"}, 422, "invalid_request_error"),
        ({"model": "twin/x?status=429"}, 429, "rate_limit_error"),
        ({"model": "twin/x?status=503"}, 503, "overloaded_error"),
        ({"model": "twin/x?status=500"}, 502, "api_error"),
    ],
)
async def test_a_failure_is_told_in_its_terms(client, path, wrong, status, kind):
    answer = await client.post(path, json=BODY | wrong)

    assert answer.status_code == status
    told = answer.json()
    assert (told["type"], told["error"]["type"], set(told["error"])) == ("error", kind, {"type", "message"})


@pytest.mark.parametrize("wrong", [{}, {"stream": True}, {"messages": 1}])
async def test_the_id_has_both_names(client, wrong):
    answer = await client.post("/v1/messages", json=BODY | wrong)

    assert answer.headers["request-id"] == answer.headers["x-request-id"]


async def test_counting_takes_no_defaults(upstream, tmp_path):
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}", speaks: [messages, count_tokens]}}}}
models: {{short: {{upstream: twin, model: m, defaults: {{max_tokens: 9, temperature: 0.1}}}}}}
"""
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        for path in ("/v1/messages/count_tokens", "/v1/messages"):
            await client.post(path, json={"model": "short", "messages": []})

    counted, asked = (seen.json() for seen in upstream[0].seen[-2:])
    assert counted == {"model": "m", "messages": []}
    assert asked == {"model": "m", "messages": [], "max_tokens": 9, "temperature": 0.1}
