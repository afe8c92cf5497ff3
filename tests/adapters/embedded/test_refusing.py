"""The client's mistakes are told as such, in OpenAI's terms; the model goes on answering."""

import pytest

from tests.adapters.embedded.conftest import CHAT, http_of
from tests.support.gateway import gateway_of

PATH = "/v1/chat/completions"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


WRONG: tuple[dict, ...] = (
    {"temperature": "hot"},
    {"max_tokens": -5},
    {"n": 99},
    {"grammar": "root ::= ["},
    {"tools": [{"type": "function"}]},
    {"reasoning_format": "aloud"},
    {"messages": [5]},
    {"messages": [{"role": "user", "content": [IMAGE]}]},
    {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
    {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "odd"}}}},
)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_wrong_member_is_a_400_with_a_message_and_the_next_call_is_answered(client, stream):
    for members in WRONG:
        answer = await client.post(PATH, json={"model": "words", "stream": stream, **CHAT, **members})
        assert answer.status_code == 400, members
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert answer.json()["error"]["message"]

    assert (await client.post(PATH, json={"model": "words", **CHAT})).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_longer_than_the_context_has_openais_code(files, tmp_path, stream):
    yaml = f"upstreams: {{gguf: {{kind: embedded, model: {files.model}, context_tokens: 256}}}}\n"
    async with gateway_of(yaml, tmp_path) as served, http_of(served.url) as client:
        body = {"model": "gguf/tiny", "messages": [{"role": "user", "content": "x" * 1000}], "stream": stream}
        answer = await client.post(PATH, json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"


async def test_a_model_that_is_not_there_is_a_404_that_names_those_that_are(client):
    answer = await client.post(PATH, json={"model": "gguf/tiny:painter", **CHAT})

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
    assert "'tiny:poet'" in answer.json()["error"]["message"]


async def test_a_text_model_offers_no_embeddings(client):
    answer = await client.post("/v1/embeddings", json={"model": "words", "input": "Hello"})

    assert answer.status_code == 501
