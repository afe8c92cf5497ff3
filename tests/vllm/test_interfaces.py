"""The other interfaces of vLLM: completions, responses, Anthropic's messages, tokens."""

from tests.vllm.asking import MESSAGES, ORDER, asked, logged, streamed

PROMPT = {"model": "local/poet", "prompt": "bada foli", "max_tokens": 6, "temperature": 0}
INPUT = {"model": "local/poet", "input": "bada foli", "max_output_tokens": 6, "temperature": 0}
LETTER = {"model": "local/poet", "messages": MESSAGES, "max_tokens": 6, "temperature": 0}


async def test_a_completion_echoes_its_prompt_with_logprobs(client):
    found = await asked(client, PROMPT | {"echo": True, "logprobs": 1}, "/v1/completions")

    choice = found["choices"][0]
    assert choice["text"].startswith("bada foli")
    assert choice["logprobs"]["token_logprobs"][0] is None
    assert found["usage"]["completion_tokens"] == 6


async def test_a_streamed_completion_says_the_same_and_keeps_unasked_usage_back(client):
    plain = await asked(client, PROMPT, "/v1/completions")
    *events, done = await streamed(client, PROMPT, "/v1/completions")

    assert "".join(event["choices"][0]["text"] for event in events) == plain["choices"][0]["text"]
    assert done == "[DONE]"


async def test_a_response_arrives_plain_and_streamed(client, gateway):
    plain = await asked(client, INPUT, "/v1/responses")
    events = await streamed(client, INPUT, "/v1/responses")

    text = plain["output"][0]["content"][0]["text"]
    kinds = [event["type"] for event in events]
    assert "".join(event["delta"] for event in events if event["type"].endswith("text.delta")) == text
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    await logged(gateway, '"output_tokens":6,', 2)


async def test_a_response_keeps_to_its_schema(client):
    form = {"format": {"type": "json_schema", "name": "order", "schema": ORDER}}

    found = await asked(client, INPUT | {"text": form, "max_output_tokens": 80}, "/v1/responses")

    assert found["status"] == "completed"
    assert found["output"][0]["content"][0]["text"].startswith('{"side":')


async def test_an_anthropic_message_arrives_plain_and_streamed(client, gateway):
    plain = await asked(client, LETTER, "/v1/messages")
    events = await streamed(client, LETTER, "/v1/messages")

    deltas = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(deltas) == plain["content"][0]["text"]
    assert plain["stop_reason"] == "max_tokens"
    assert events[-1] == {"type": "message_stop"}
    await logged(gateway, '"output_tokens":6,', 2)


async def test_tokens_are_counted_as_they_are_billed(client):
    counted = await asked(client, {"model": "local/poet", "messages": MESSAGES}, "/v1/messages/count_tokens")
    billed = await asked(client, LETTER, "/v1/messages")

    assert counted["input_tokens"] == billed["usage"]["input_tokens"]


async def test_text_becomes_tokens_and_the_same_text_again(client):
    text = "bada foli é 🦊"

    found = await asked(client, {"model": "local/poet", "prompt": text}, "/tokenize")
    again = await asked(client, {"model": "local/poet", "tokens": found["tokens"]}, "/detokenize")

    assert again["prompt"] == text
    assert found["count"] == len(found["tokens"])
