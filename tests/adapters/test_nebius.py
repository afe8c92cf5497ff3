"""What Nebius wants otherwise, as it arrives there."""

import json

import httpx
import pytest

from adapters import nebius
from app.contracts import Outbound
from app.operations import CHAT
from tests.support.gateway import gateway_of

SCHEMA = {"type": "object", "properties": {"price": {"type": "number"}}}
CHAT_PATH = "/v1/chat/completions"


def body(**more) -> dict:
    return {"model": "llama", "messages": [{"role": "user", "content": "hi"}], **more}


@pytest.fixture
async def ask(upstream, tmp_path):
    """Ask through a gateway whose Nebius is the twin; returns the answer and what the twin was sent."""
    yaml = f"""
upstreams:
  nebius: {{kind: nebius, url: "{upstream[1]}", api_key: nebius-secret, max_tokens: 777}}
models:
  llama: nebius/meta-llama/Llama-3.3-70B-Instruct
  short: {{upstream: nebius, model: m, defaults: {{max_tokens: 20}}}}
"""
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:

        async def asked(sent: dict):
            answer = await client.post(CHAT_PATH, json=sent)
            return answer, upstream[0].seen[-1]

        yield asked


async def test_it_is_asked_with_its_key_and_its_own_name_for_the_model(ask):
    _, seen = await ask(body())

    assert seen.headers["authorization"] == "Bearer nebius-secret"
    assert seen.json()["model"] == "meta-llama/Llama-3.3-70B-Instruct"


@pytest.mark.parametrize(
    ("sent", "max_tokens"),
    [
        (body(), 777),
        (body(max_tokens=5), 5),
        (body(max_completion_tokens=5), None),
        (body(model="short"), 20),
    ],
)
async def test_a_bound_of_the_answer_is_always_sent(ask, sent, max_tokens):
    _, seen = await ask(sent)

    assert seen.json().get("max_tokens") == max_tokens


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"schema": SCHEMA}, {"name": nebius.SCHEMA_NAME, "schema": SCHEMA}),
        ({"schema": SCHEMA, "strict": True}, {"name": nebius.SCHEMA_NAME, "schema": SCHEMA, "strict": True}),
        (SCHEMA, {"name": nebius.SCHEMA_NAME, "schema": SCHEMA}),
        ({"name": "mine", "schema": SCHEMA}, {"name": "mine", "schema": SCHEMA}),
    ],
)
async def test_a_schema_has_the_name_and_the_wrapping_it_insists_on(ask, given, sent):
    _, seen = await ask(body(response_format={"type": "json_schema", "json_schema": given}))

    assert seen.json()["response_format"] == {"type": "json_schema", "json_schema": sent}


@pytest.mark.parametrize(
    "text",
    [
        b'{"messages":[{"content":"\\"json_schema\\""}]}',
        b'{"response_format": {"type": "json_object"}, "note": "json_schema"}',
        b'{"response_format": {"type": "json_schema"}}',
        b'{"response_format": "json_schema"}',
    ],
)
def test_everything_else_passes_as_it_is(text):
    outbound = Outbound(CHAT, "m", text, stream=False, headers=(), deadline=0.0)

    assert nebius.named_schema(outbound) is outbound


@pytest.mark.parametrize(
    ("status", "told", "code"),
    [
        (401, 502, "upstream_credential_rejected"),
        (402, 502, "upstream_credential_rejected"),
        (404, 404, None),
        (422, 422, None),
        (429, 429, "upstream_rate_limited"),
    ],
)
async def test_its_errors_become_error_objects(ask, status, told, code):
    answer, _ = await ask(body(model=f"nebius/x?status={status}&dialect=nebius"))

    assert answer.status_code == told
    error = json.loads(answer.content)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
