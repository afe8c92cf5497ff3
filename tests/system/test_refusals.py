"""Every wrong request gets the right status and OpenAI's error object."""

import pytest

from tests.support.gateway import gateway_of, twin_configuration

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
GOOD = b'{"model":"words","messages":[]}'


def error_of(answer) -> dict:
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, None, None),
        (b"{", 400, None, None),
        (b"[1]", 400, None, None),
        (b'{"model":"words","messages":[],"x":NaN}', 400, None, None),
        (b'{"model":"words","model":"words","messages":[]}', 400, None, "model"),
        (b'{"model":"words","messages":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, None, None),
        (b'{"model":"words","messages":["\xff"]}', 400, None, None),
        (b'{"model":"words"}', 400, None, "messages"),
        (b'{"model":5,"messages":[]}', 400, None, "model"),
        (b'{"model":"words","messages":[],"stream":"true"}', 400, None, "stream"),
        (b'{"model":"wrods","messages":[]}', 404, "model_not_found", "model"),
        (b'{"model":"nowhere/words","messages":[]}', 404, "model_not_found", "model"),
        (b'{"model":"' + b"x" * 300 + b'","messages":[]}', 400, None, "model"),
    ],
)
async def test_a_wrong_body_is_named(client, body, status, code, param):
    answer = await client.post(CHAT, content=body, headers=JSON)

    assert answer.status_code == status
    error = error_of(answer)
    assert (error["code"], error["param"], error["type"]) == (code, param, "invalid_request_error")


async def test_an_unknown_model_is_answered_with_the_nearest_name(client):
    answer = await client.post(CHAT, json={"model": "wrods", "messages": []})

    assert "Did you mean 'words'?" in error_of(answer)["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", CHAT, 405, "method_not_allowed"),
        ("PUT", CHAT, 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions/", 404, "unknown_url"),
        ("POST", "/v1/chat", 404, "unknown_url"),
        ("GET", "/", 404, "unknown_url"),
        ("POST", "/v1/load_lora_adapter", 404, "unknown_url"),
        ("GET", "/v1/models/nothing", 404, "model_not_found"),
    ],
)
async def test_a_wrong_path_or_method_is_named(client, method, path, status, code):
    answer = await client.request(method, path, content=GOOD, headers=JSON)

    assert answer.status_code == status
    assert error_of(answer)["code"] == code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        (JSON | {"content-encoding": "gzip"}, 415),
        (JSON | {"host": "evil.example"}, 403),
        (JSON | {"host": "127.0.0.1.evil.example:8000"}, 403),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        (JSON | {"host": "localhost:8000"}, 200),
        (JSON | {"host": "[::1]:8000"}, 200),
    ],
)
async def test_a_web_page_cannot_speak_for_the_single_user(client, headers, status):
    answer = await client.post(CHAT, content=GOOD, headers=headers)

    assert answer.status_code == status
    if status != 200:
        error_of(answer)


async def test_a_body_over_the_bound_is_refused(upstream, tmp_path, client):
    yaml = twin_configuration(upstream[1], "server: {max_body_bytes: 100}")
    async with gateway_of(yaml, tmp_path) as gateway:
        declared = await client.post(gateway.url + CHAT, content=b"x" * 101, headers=JSON)

        async def pieces():
            for _ in range(20):
                yield b"x" * 10

        streamed = await client.post(gateway.url + CHAT, content=pieces(), headers=JSON)

    assert (declared.status_code, streamed.status_code) == (413, 413)
    assert error_of(declared)["code"] == "request_too_large"


async def test_an_operation_that_the_upstream_does_not_speak_is_named(client):
    answer = await client.post("/v1/messages", json={"model": "words", "messages": [], "max_tokens": 1})

    assert answer.status_code == 501
    assert "does not offer /v1/messages" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("twin/x?cut=0", 502, "upstream_broken"),
        ("twin/x?cut=1", 502, "upstream_broken"),
        ("twin/x?type=text/html", 502, "upstream_broken"),
        ("twin/x?status=500&dialect=html", 502, "upstream_broken"),
        ("twin/x?status=503&dialect=text", 503, "upstream_unavailable"),
        ("twin/x?head=7", 504, "upstream_timeout"),
        ("twin/x?status=401", 502, "upstream_credential_rejected"),
        ("twin/x?status=402&dialect=nebius", 502, "upstream_credential_rejected"),
        ("twin/x?status=404&dialect=nebius", 404, None),
        ("twin/x?status=422&dialect=nebius", 422, None),
        ("twin/x?status=400&dialect=vllm", 400, None),
        ("twin/x?nonsense=1", 400, None),
    ],
)
async def test_an_upstreams_failure_is_told_as_ours(client, model, status, code):
    answer = await client.post(CHAT, json={"model": model, "messages": [{"content": "the prompt"}]})

    assert answer.status_code == status
    error = error_of(answer)
    assert error["code"] == code
    assert "the prompt" not in error["message"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("cut=4", "upstream_broken"),
        ("stall=4", "upstream_timeout"),
        ("malformed=4", "upstream_broken"),
        ("done=0&finish=0", "upstream_broken"),
    ],
)
async def test_a_stream_that_breaks_ends_with_an_error_and_without_done(client, fault, code):
    body = {"model": f"twin/x?{fault}&gap=0.02", "messages": [], "stream": True, "logprobs": True}
    answer = await client.post(CHAT, json=body)

    assert answer.status_code == 200
    assert "word3 " in answer.text
    assert "[DONE]" not in answer.text
    assert f'"code":"{code}"' in answer.text.rsplit("data: ", 1)[1]


async def test_an_error_event_of_the_upstream_ends_the_stream_once(client, gateway):
    body = {"model": "twin/x?error=4&gap=0.02", "messages": [], "stream": True, "logprobs": True}
    answer = await client.post(CHAT, json=body)

    assert answer.text.count('"error"') == 1
    assert "The engine died." not in answer.text
    await __import__("asyncio").sleep(0.3)
    assert '"outcome":"upstream_broken"' in gateway.log_text()
