import httpx
import pytest

BODY = {"model": "words", "messages": [{"role": "user", "content": "hi"}]}
SENT = {
    "authorization": "Bearer hb-client-secret",
    "x-api-key": "hb-client-secret-2",
    "cookie": "session=1",
    "x-forwarded-for": "10.1.1.1",
    "x-vllm-priority": "-9",
    "x-custom": "1",
    "te": "trailers",
    "accept-encoding": "gzip, br",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "vendor=1",
    "x-request-id": "client-id-1",
}


async def test_only_allowed_headers_go_up(client, upstream):
    await client.post("/v1/chat/completions", json=BODY, headers=SENT)

    assert upstream[0].seen[-1].headers == {
        "host": httpx.URL(upstream[1]).netloc.decode(),
        "user-agent": "hyperbridge",
        "content-type": "application/json",
        "content-length": upstream[0].seen[-1].headers["content-length"],
        "accept-encoding": "identity",
        "authorization": "Bearer upstream-secret-1",
        "traceparent": SENT["traceparent"],
        "tracestate": "vendor=1",
        "x-request-id": "client-id-1",
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_only_allowed_headers_come_back(client, stream):
    answer = await client.post("/v1/chat/completions", json=BODY | {"stream": stream})

    expected = {
        "date",
        "content-type",
        "openai-processing-ms",
        "x-request-id",
        "x-hyperbridge-upstream",
        "x-hyperbridge-model",
        "x-hyperbridge-attempts",
    }
    more = {"cache-control", "x-accel-buffering", "transfer-encoding"} if stream else {"content-length"}
    assert set(answer.headers) == expected | more
    assert answer.headers["x-hyperbridge-model"] == "twin"
    assert answer.headers["x-request-id"] != "upstream-7"


@pytest.mark.parametrize("path", ["/v1/models", "/livez", "/nope", "/docs", "/metrics"])
async def test_every_answer_has_a_request_id(client, path):
    assert (await client.get(path)).headers["x-request-id"]
    assert (await client.get(path, headers={"x-request-id": "mine"})).headers["x-request-id"] == "mine"


async def test_a_request_id_that_is_not_one_is_replaced(client):
    answer = await client.post("/v1/chat/completions", json=BODY, headers={"x-request-id": "a b" * 60})

    assert " " not in answer.headers["x-request-id"]


async def test_a_model_name_cannot_write_headers(client):
    answer = await client.post("/v1/chat/completions", json=BODY | {"model": "twin/a\r\nset-cookie: x=1"})

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-hyperbridge-model"] == "a??set-cookie: x=1"


async def test_retry_after_of_the_upstream_comes_back(client):
    answer = await client.post(
        "/v1/chat/completions", json=BODY | {"model": "twin/x?status=429&retry_after=7"}
    )

    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["error"]["code"] == "upstream_rate_limited"
