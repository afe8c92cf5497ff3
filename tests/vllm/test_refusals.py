"""What vLLM refuses reaches the client as OpenAI's error object, without the server's paths and the client's text."""

import pytest

from tests.vllm.asking import MESSAGES, chat

CHAT = "/v1/chat/completions"


async def refused(client, path: str, body: dict) -> tuple[int, dict]:
    answer = await client.post(path, json=body)
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["code"] is None or isinstance(error["code"], str)
    return answer.status_code, error


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (CHAT, {"messages": MESSAGES}),
        ("/v1/completions", {"prompt": "bada"}),
        ("/v1/responses", {"input": "bada"}),
        ("/tokenize", {"prompt": "bada"}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_unknown_model_of_the_upstream_is_not_found(client, path, more, stream):
    body = {"model": "local/nobody", **more} | ({"stream": True} if stream and path != "/tokenize" else {})

    status, error = await refused(client, path, body)

    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")


@pytest.mark.parametrize("stream", [False, True])
async def test_more_tokens_than_the_context_holds_are_refused_by_name(client, stream):
    status, error = await refused(client, CHAT, chat(max_tokens=5000, stream=stream))

    assert (status, error["param"]) == (400, "max_tokens")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_longer_than_the_context_has_openais_code(client, stream):
    long = [{"role": "user", "content": "bada " * 2000}]

    status, error = await refused(client, CHAT, chat(messages=long, stream=stream))

    assert (status, error["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"temperature": "hidden words"}, "temperature"),
        ({"temperature": -3}, "temperature"),
        ({"tools": "hidden words"}, "tools"),
        ({"stop": {"hidden": "words"}}, "stop"),
        ({"max_tokens": "hidden words"}, "max_tokens"),
    ],
)
async def test_a_member_of_the_wrong_type_is_named_and_not_repeated(client, wrong, param):
    status, error = await refused(client, CHAT, chat(**wrong))

    assert status == 400
    assert error["param"].split(".")[0] == param
    assert "hidden" not in error["message"]


@pytest.mark.parametrize(
    ("path", "more"),
    [("/v1/embeddings", {"input": "bada"}), ("/v1/rerank", {"query": "bada", "documents": ["foli"]})],
)
async def test_what_a_model_that_writes_cannot_do_is_told_so(client, path, more):
    status, error = await refused(client, path, {"model": "local/base", **more})

    assert (status, error["code"]) == (404, "unsupported_operation")


@pytest.mark.parametrize(
    ("wrong", "status", "kind"),
    [
        ({"model": "local/nobody"}, 404, "not_found_error"),
        ({"max_tokens": 5000}, 400, "invalid_request_error"),
        ({"stop_sequences": 7}, 400, "invalid_request_error"),
    ],
)
async def test_anthropics_interface_has_anthropics_errors(client, wrong, status, kind):
    answer = await client.post("/v1/messages", json=chat() | wrong)

    found = answer.json()
    assert (answer.status_code, found["type"], found["error"]["type"]) == (status, "error", kind)
