"""Tokenize and detokenize in vLLM's words."""


async def posted(client, path: str, **members) -> dict:
    answer = await client.post(path, json={"model": "words", **members})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_text_comes_back_from_its_tokens(client):
    found = await posted(client, "/tokenize", prompt="Grüße")

    assert found["count"] == len("Grüße".encode()) == len(found["tokens"])
    assert found["max_model_len"] == 131_072
    assert found["token_strs"] is None
    assert await posted(client, "/detokenize", tokens=found["tokens"]) == {"prompt": "Grüße"}


async def test_tokens_are_shown_as_text_where_asked_for(client):
    found = await posted(client, "/tokenize", prompt="aü", return_token_strs=True)

    assert found["token_strs"] == ["a", "\ufffd", "\ufffd"]


async def test_messages_are_counted_as_the_template_shows_them(client):
    messages = [{"role": "user", "content": "Hello"}]

    found = await posted(client, "/tokenize", messages=messages)
    chat = await posted(client, "/v1/chat/completions", messages=messages, max_tokens=1)

    assert found["count"] == chat["usage"]["prompt_tokens"]


async def test_a_wrong_member_is_a_400(client):
    for path, members in (
        ("/tokenize", {}),
        ("/tokenize", {"prompt": "a", "messages": []}),
        ("/tokenize", {"prompt": 5}),
        ("/tokenize", {"messages": [5]}),
        ("/detokenize", {"tokens": [-1]}),
        ("/detokenize", {"tokens": [259]}),
        ("/detokenize", {"tokens": ["a"]}),
    ):
        answer = await client.post(path, json={"model": "words", **members})
        assert answer.status_code == 400, members
        assert answer.json()["error"]["message"]
