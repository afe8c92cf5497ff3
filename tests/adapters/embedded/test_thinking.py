"""A wish to think or not is heard by the template of the model's file."""

import pytest

from tests.adapters.embedded.conftest import http_of
from tests.adapters.embedded.files import HYBRID, write_model
from tests.support.gateway import gateway_of

SHUT = len("<think>\n\n</think>\n\n")
"""What such a template writes where the model shall not think: a token a byte."""

ASKED = {
    "chat/completions": (
        {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1},
        "prompt_tokens",
    ),
    "responses": ({"input": "Hello", "max_output_tokens": 1}, "input_tokens"),
}


@pytest.fixture(scope="module")
def configuration(tmp_path_factory):
    path = write_model(tmp_path_factory.mktemp("gguf") / "hybrid.gguf", HYBRID)
    return f"""
upstreams:
  gguf: {{kind: embedded, model: {path}, context_tokens: 1024, threads: 1}}
models:
  words: gguf/hybrid
"""


@pytest.fixture
async def client(configuration, tmp_path):
    async with gateway_of(configuration, tmp_path) as running, http_of(running.url) as http:
        yield http


@pytest.mark.parametrize("path", ASKED)
async def test_it_is_told_in_the_words_of_the_template(client, path):
    body, counted = ASKED[path]

    async def tokens(wish: str) -> int:
        answer = await client.post(
            f"/v1/{path}", json={"model": "words", "hyperbridge": {"thinking": wish}, **body}
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers.get("x-hyperbridge-thinking") == (None if wish == "auto" else "asked")
        return answer.json()["usage"][counted]

    assert await tokens("off") == await tokens("on") + SHUT
    assert await tokens("auto") == await tokens("on")


async def test_an_effort_of_none_is_heard_too(client):
    body, _ = ASKED["chat/completions"]
    answers = [
        await client.post("/v1/chat/completions", json={"model": "words", **body, **more})
        for more in ({}, {"reasoning_effort": "none"})
    ]

    thinking, quick = [answer.json()["usage"]["prompt_tokens"] for answer in answers]
    assert quick == thinking + SHUT
