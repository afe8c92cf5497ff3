from typing import Any

import pytest

from adapters.demo import tokens
from app.errors import UpstreamRefused
from tests.adapters.demo.asking import ask, stream


async def texts(**members: Any) -> list[str]:
    return [choice["text"] for choice in (await ask("completions", members))["choices"]]


async def test_every_prompt_has_its_choices_in_order():
    answer = await ask("completions", {"prompt": ["One", "Two"], "n": 2, "echo": True})

    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert [choice["text"][:3] for choice in answer["choices"]] == ["One", "One", "Two", "Two"]


async def test_a_prompt_may_be_tokens():
    ids = tokens.ids(tokens.split("Hello there"))

    assert await texts(prompt=ids) == await texts(prompt="Hello there")
    assert await texts(prompt=[ids, ids]) == await texts(prompt=["Hello there"] * 2)


async def test_another_tokenizers_tokens_are_taken_as_numbers():
    assert "31373 612" in (await texts(prompt=[31373, 612]))[0]


@pytest.mark.parametrize("echo", [False, True])
async def test_a_stream_adds_up_to_the_plain_answer(echo):
    asked = {"prompt": "Hello " * 99, "echo": echo, "logprobs": 1}
    plain = (await ask("completions", asked))["choices"][0]
    chunks = [chunk["choices"][0] for chunk in await stream("completions", asked)]

    assert "".join(chunk["text"] for chunk in chunks) == plain["text"]
    assert chunks[-1]["finish_reason"] == plain["finish_reason"] == "stop"
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        told = [chunk["logprobs"][name] for chunk in chunks if chunk["text"]]
        assert [one for part in told for one in part] == plain["logprobs"][name]


async def test_the_echo_is_no_completion():
    answer = await ask("completions", {"prompt": "Hello there", "echo": True, "max_tokens": 2})

    assert answer["usage"]["completion_tokens"] == 2
    assert answer["usage"]["prompt_tokens"] == tokens.count("Hello there")


async def test_offsets_point_into_the_text():
    choice = (await ask("completions", {"prompt": "Hello", "logprobs": 0}))["choices"][0]

    for token, offset in zip(choice["logprobs"]["tokens"], choice["logprobs"]["text_offset"], strict=True):
        assert choice["text"].startswith(token, offset)


@pytest.mark.parametrize("prompt", [[], ["a", 1], [["a"]], ["a"] * 129, {}, None])
async def test_a_wrong_prompt_is_named(prompt: Any):
    with pytest.raises(UpstreamRefused) as raised:
        await ask("completions", {"prompt": prompt})

    assert (raised.value.status, (raised.value.param or "")[:6]) == (400, "prompt")
