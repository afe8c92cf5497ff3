import pytest

from app.errors import UpstreamRefused
from tests.adapters.demo.asking import ask

TEXT = "Hello, Привет, 你好 🙂\n"


async def test_what_was_tokenized_is_read_back():
    made = await ask("tokenize", {"prompt": TEXT, "return_token_strs": True})

    assert made["count"] == len(made["tokens"]) == len(made["token_strs"])
    assert "".join(made["token_strs"]) == TEXT
    assert await ask("detokenize", {"tokens": made["tokens"]}) == {"prompt": TEXT}


async def test_messages_are_tokenized_as_a_chat_counts_them():
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": TEXT}]
    counted = (await ask("chat", {"messages": messages}))["usage"]["prompt_tokens"]

    assert (await ask("tokenize", {"messages": messages}))["count"] == counted


@pytest.mark.parametrize(
    "body", [{}, {"prompt": "a", "messages": []}, {"prompt": 1}, {"prompt": "a" * 300_000}]
)
async def test_what_cannot_be_tokenized_is_refused(body):
    with pytest.raises(UpstreamRefused):
        await ask("tokenize", body)


@pytest.mark.parametrize("tokens", [[0], [-1], [31373], [1 << 200], ["a"]])
async def test_foreign_tokens_are_refused(tokens):
    with pytest.raises(UpstreamRefused):
        await ask("detokenize", {"tokens": tokens})
