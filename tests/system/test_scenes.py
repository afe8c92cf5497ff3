"""Scenes as a client meets them: what a prompt loses on its way, what stays byte for byte, and what is told of it."""

import json
from collections.abc import AsyncGenerator
from typing import Any, cast

import httpx
import openai
import pytest

from scenes.codebook.adaptive import Adaptive
from scenes.forms import CODES, decoded
from tests.scenes.phrases import WORDS, repeated
from tests.support.gateway import Served, gateway_of
from tests.support.raw import answering, raw_server
from tests.support.waiting import answered, eventually

CHAT = "/v1/chat/completions"
ROWS = [{"id": 1000 + n, "name": f"part-{n}", "price": n + 0.5, "currency": "EUR"} for n in range(40)]
RESULT = json.dumps(ROWS)
COMPACT = json.dumps(ROWS, separators=(",", ":"))
LOG = "\n".join(
    f"2026-05-04 10:{n:02}:11 INFO shop.Orders: order {4700 + n} was reserved by worker {n % 4}"
    for n in range(40)
)
AGAIN = repeated()


def talk(*results: object, user: str = "What does part-7 cost?") -> list[dict[str, Any]]:
    """A conversation in which tools gave these results."""
    said: list[dict[str, Any]] = [{"role": "system", "content": f"Answer in  one word. {RESULT}"}]
    said.append({"role": "user", "content": user})
    for number, result in enumerate(results):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "get", "arguments": RESULT}}
        said.append({"role": "assistant", "content": None, "tool_calls": [call]})
        said.append({"role": "tool", "tool_call_id": f"c{number}", "content": result})
    return said


@pytest.fixture
async def gateway(upstream, tmp_path) -> AsyncGenerator[Served]:
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}", speaks: [chat, responses, messages]}}}}
scenes: {{sample: 1}}
models:
  plain: twin/plain
  short: {{upstream: twin, model: short, scenes: safe}}
  never: {{upstream: twin, model: never, scenes: "off"}}
"""
    async with gateway_of(yaml, tmp_path) as served:
        yield served


@pytest.fixture
async def client(gateway) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as opened:
        yield opened


@pytest.fixture
def sent(upstream):
    """The messages of the last request that reached the upstream."""
    return lambda: upstream[0].seen[-1].json()["messages"]


async def test_what_a_tool_gave_back_is_said_shorter_and_comes_back_from_it(client, sent):
    answer = await client.post(CHAT, json={"model": "short", "messages": talk(RESULT)})

    result = sent()[-1]["content"]
    assert len(result) < 0.5 * len(RESULT)
    assert decoded(result) == COMPACT
    layer, saved, forms = answer.headers["x-hyperbridge-scenes"].split("; ")
    assert (layer, forms) == ("safe", "forms=table")
    told = answer.json()["hyperbridge"]["scenes"]
    assert told["saved_tokens"] == int(saved.removeprefix("saved=")) > 300
    assert told["tokens_after"] == answer.json()["usage"]["prompt_tokens"]
    assert told["tokens_before"] - told["tokens_after"] == told["saved_tokens"]


async def test_all_but_data_stays_byte_for_byte(client, upstream):
    body = json.dumps({
        "model": "short",
        "messages": talk(RESULT),
        "tools": [{"type": "function", "x": ROWS}],
    })
    await client.post(CHAT, content=body, headers={"content-type": "application/json"})

    seen = upstream[0].seen[-1].body.decode()
    start = body.index('"content": ', body.index('"tool_call_id"')) + len('"content": ')
    end = start + len(json.dumps(RESULT))
    assert seen.startswith(body[:start])
    assert seen.endswith(body[end:])


@pytest.mark.parametrize("model", ["plain", "never"])
async def test_by_default_and_where_it_is_off_the_prompt_goes_out_as_it_came(client, upstream, model):
    body = json.dumps({"model": model, "messages": talk(RESULT)})
    answer = await client.post(CHAT, content=body, headers={"content-type": "application/json"})

    assert upstream[0].seen[-1].body.decode() == body
    assert "x-hyperbridge-scenes" not in answer.headers
    assert "hyperbridge" not in answer.json()


async def test_what_could_be_saved_is_measured_where_nothing_is_changed(client):
    answer = await client.post(CHAT, json={"model": "plain", "messages": talk(RESULT)})
    assert answer.status_code == 200, answer.text

    async def measured() -> bool:
        text = (await client.get("/metrics")).text
        return 'hyperbridge_scene_seconds_count{layer="codebook",sent="no"} 1.0' in text

    await answered(measured, seconds=5)
    text = (await client.get("/metrics")).text
    for layer in ("safe", "codebook"):
        assert f'hyperbridge_scene_tokens_total{{layer="{layer}",sent="no",stage="before"}}' in text


@pytest.mark.parametrize("asked", ["header", "member"])
async def test_a_client_decides_for_its_own_call(client, sent, asked):
    wish = {"headers": {"x-hyperbridge-scenes": "off"}} if asked == "header" else {}
    more = {"hyperbridge": {"scenes": "off"}} if asked == "member" else {}
    await client.post(CHAT, json={"model": "short", "messages": talk(RESULT), **more}, **wish)
    assert sent()[-1]["content"] == RESULT

    answer = await client.post(
        CHAT,
        json={"model": "never", "messages": talk(LOG)},
        headers={"x-hyperbridge-scenes": "codebook"},
    )
    assert decoded(sent()[-1]["content"]) == LOG
    assert answer.headers["x-hyperbridge-scenes"].startswith("codebook; saved=")


async def test_a_layer_that_does_not_exist_is_told_with_those_that_do(client):
    answer = await client.post(
        CHAT, json={"model": "plain", "messages": talk()}, headers={"x-hyperbridge-scenes": "zip"}
    )
    assert answer.status_code == 400
    assert "off, shadow, safe, codebook, scenes, focus, hyper, auto" in answer.json()["error"]["message"]


async def test_a_prompt_that_grows_keeps_its_beginning(client, sent):
    results = [RESULT, LOG, RESULT, "short", LOG.replace("Orders", "Baskets")]
    before: list[dict[str, Any]] = []
    for count in range(1, len(results) + 1):
        await client.post(CHAT, json={"model": "short", "messages": talk(*results[:count])})
        assert sent()[: len(before)] == before
        before = sent()


async def test_a_users_text_stays_and_a_block_of_data_in_it_is_said_shorter(client, sent):
    text = (
        f"Compare  this:\n```json\n{RESULT}\n```\nwith code:\n```python\nrows = {RESULT}\n```\nand say why."
    )
    await client.post(CHAT, json={"model": "short", "messages": talk(user=text)})

    said = sent()[1]["content"]
    assert said.startswith("Compare  this:\n```json\n[table ")
    assert said.endswith(f"```\nwith code:\n```python\nrows = {RESULT}\n```\nand say why.")
    assert decoded(said) == text.replace(RESULT, COMPACT, 1)


async def test_parts_of_a_message_are_places_too_and_images_are_none(client, sent):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}}
    parts = [{"type": "text", "text": RESULT}, image]
    await client.post(CHAT, json={"model": "short", "messages": talk(parts)})

    first, second = sent()[-1]["content"]
    assert decoded(first["text"]) == COMPACT
    assert second == image


async def test_a_message_that_names_a_member_twice_is_passed_over(client, upstream):
    twice = f'{{"role":"tool","content":"x","content":{json.dumps(RESULT)}}}'
    body = f'{{"model":"short","messages":[{twice}]}}'
    answer = await client.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert upstream[0].seen[-1].body.decode() == body


async def test_a_stream_says_it_where_it_says_its_usage(gateway):
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(
            model="short",
            messages=cast("Any", talk(RESULT)),
            stream=True,
            stream_options={"include_usage": True},
        )
        told = [chunk.model_extra["hyperbridge"] async for chunk in stream if chunk.model_extra]
    (scenes,) = [each["scenes"] for each in told]
    assert scenes["forms"] == {"table": 1}
    assert scenes["saved_tokens"] > 300


@pytest.mark.parametrize(
    ("page", "members"),
    [
        ("/v1/responses", {"input": [{"type": "function_call_output", "call_id": "c", "output": RESULT}]}),
        (
            "/v1/messages",
            {
                "max_tokens": 9,
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "t", "content": RESULT}],
                    }
                ],
            },
        ),
    ],
)
async def test_other_interfaces_have_tools_as_well(client, upstream, page, members):
    answer = await client.post(page, json={"model": "short", **members})
    assert answer.status_code == 200
    assert b"[table " in upstream[0].seen[-1].body
    assert answer.json()["hyperbridge"]["scenes"]["saved_tokens"] > 300


async def test_codes_in_a_streams_words_are_undone_whatever_the_pieces(gateway_of_codes):
    gateway, code, phrase = gateway_of_codes
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(
            model="coded", messages=cast("Any", talk(AGAIN)), stream=True
        )
        said = [choice.delta.content async for chunk in stream for choice in chunk.choices]
    assert "".join(filter(None, said)) == f"It was {phrase}, and {code}s stay."


@pytest.fixture
async def gateway_of_codes(tmp_path) -> AsyncGenerator[tuple[Served, str, str]]:
    """A gateway whose upstream answers with a code of the prompt, cut in two; the code, and what it stands for."""
    folded = CODES.fold(AGAIN)
    assert folded is not None
    code, phrase = max(Adaptive().phrases(folded).items())
    pieces = ["It was ", code[:2], f"{code[2:]}, and {code}", "s stay."]
    chunks = [{"id": "x", "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    chunks.append({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    async with raw_server(answering((head + events).encode())) as port:
        yaml = f"""
upstreams: {{raw: {{kind: openai, url: "http://127.0.0.1:{port}/v1"}}}}
models: {{coded: {{upstream: raw, model: x, scenes: codebook}}}}
"""
        async with gateway_of(yaml, tmp_path) as gateway:
            yield gateway, code, phrase


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"stop": ["warehouse"]}, "stop"),
        ({"continue_final_message": True, "add_generation_prompt": False}, "prefill"),
    ],
)
async def test_what_does_not_go_together_with_codes_gets_none_and_is_told(client, sent, members, why):
    wish = {"hyperbridge": {"scenes": "codebook"}}
    answer = await client.post(CHAT, json={"model": "plain", "messages": talk(AGAIN), **wish, **members})
    assert answer.status_code == 200
    assert answer.headers["x-hyperbridge-scenes"].endswith(f"refused={why}")
    assert not sent()[-1]["content"].startswith("[codes")
    assert f'hyperbridge_scene_refusals_total{{reason="{why}"}} 1.0' in (await client.get("/metrics")).text


async def test_where_it_is_wanted_such_a_call_is_refused_instead(upstream, tmp_path):
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}"}}}}
scenes: {{layer: codebook, strict: true}}
models: {{plain: twin/plain}}
"""
    body = {"model": "plain", "messages": talk(AGAIN), "logprobs": True}
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post(CHAT, json=body)
        assert answer.status_code == 400
        assert "logprobs" in answer.json()["error"]["message"]
        assert "safe" in answer.json()["error"]["message"]


async def test_what_defaults_set_keeps_codes_away_as_what_a_client_asks(upstream, tmp_path, sent):
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}"}}}}
scenes: {{layer: codebook}}
models: {{plain: {{upstream: twin, model: plain, defaults: {{stop: [warehouse]}}}}}}
"""
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post(CHAT, json={"model": "plain", "messages": talk(AGAIN)})
    assert answer.headers["x-hyperbridge-scenes"].endswith("refused=stop")
    assert not sent()[-1]["content"].startswith("[codes")


async def test_strict_refuses_no_call_to_an_interface_without_codes(upstream, tmp_path):
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}", speaks: [chat, messages, embeddings, tokenize]}}}}
scenes: {{layer: codebook, strict: true}}
models: {{plain: twin/plain}}
"""
    said = {"max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        for path, body in (
            ("/v1/embeddings", {"input": "x"}),
            ("/v1/messages", said),
            ("/tokenize", {"prompt": "x"}),
        ):
            answer = await client.post(path, json={"model": "plain", **body})
            assert answer.status_code == 200, answer.text


async def test_what_was_saved_is_counted_once_of_the_attempt_that_answered(upstream, tmp_path):
    broken = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
    async with raw_server(answering(broken)) as port:
        yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}"}}, broken: {{kind: openai, url: "http://127.0.0.1:{port}/v1"}}}}
scenes: {{layer: safe}}
models:
  whole: {{upstream: broken, model: x, attempts: 2, fallbacks: [{{to: plain}}]}}
  plain: twin/plain
  gone: {{upstream: broken, model: x, attempts: 1}}
"""
        async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
            gone = await client.post(CHAT, json={"model": "gone", "messages": talk(RESULT)})
            answer = await client.post(CHAT, json={"model": "whole", "messages": talk(RESULT)})
            metrics = (await client.get("/metrics")).text
    assert (gone.status_code, answer.status_code) == (502, 200)
    assert 'hyperbridge_scene_parts_total{form="table",layer="safe",sent="yes"} 1.0' in metrics


async def test_the_log_says_what_was_saved_and_nothing_of_what_was_said(client, gateway):
    await client.post(CHAT, json={"model": "short", "messages": talk(RESULT)})

    await eventually(lambda: "saved_tokens" in gateway.log_text())
    line = json.loads(gateway.log_text().splitlines()[-1])
    assert line["scenes"] == "safe"
    assert line["saved_tokens"] > 300
    assert "part-7" not in gateway.log_text()


def long_talk(turns: int) -> list[dict[str, Any]]:
    """A conversation about many parts, whose prices the user told once; and a question about one of them."""
    said: list[dict[str, Any]] = [{"role": "system", "content": "Answer in one word."}]
    for number in range(turns):
        told = f"Part {number} is called {WORDS[number % len(WORDS)]}{number} and costs {100 + number} euros. Do not sell it."
        said += [
            {"role": "user", "content": told},
            {"role": "assistant", "content": f"I noted part {number}. " * 20},
        ]
    return [*said, {"role": "user", "content": f"What does {WORDS[3]}3 cost?"}]


@pytest.fixture
async def remembering(upstream, tmp_path) -> AsyncGenerator[httpx.AsyncClient]:
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}", speaks: [chat, responses]}}}}
scenes: {{layer: scenes, memory: {{keep_tokens: 200, step_tokens: 1000, recall_tokens: 400}}}}
models: {{plain: twin/plain}}
"""
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        yield client


async def test_old_turns_leave_a_long_conversation_and_come_back_where_a_question_needs_them(
    remembering, sent
):
    messages = long_talk(40)
    answer = await remembering.post(CHAT, json={"model": "plain", "messages": messages})

    seen = sent()
    assert len(json.dumps(seen)) < 0.5 * len(json.dumps(messages))
    assert seen[0] == messages[0]
    assert seen[1]["content"].startswith("[")
    assert "Do not sell it." in seen[1]["content"]
    assert seen[-1]["content"].startswith(messages[-1]["content"])
    assert messages[7]["content"] in "".join(each["content"] for each in seen[1:])
    scenes = answer.json()["hyperbridge"]["scenes"]
    assert scenes["forms"]["memory"] == 1
    assert scenes["saved_tokens"] > 1000


async def test_a_conversation_that_grows_changes_its_beginning_in_steps_alone(remembering, sent):
    whole, before, changes = long_talk(60), list[dict[str, Any]](), 0
    for end in range(2, len(whole) + 1, 2):
        await remembering.post(CHAT, json={"model": "plain", "messages": whole[:end]})
        changes += sent()[: len(before)] != before
        before = sent()
    assert 1 <= changes <= 8


async def test_a_conversation_with_pictures_in_its_old_turns_stays_whole(remembering, upstream):
    messages = long_talk(40)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    messages[3]["content"] = [{"type": "text", "text": "Look."}, picture]
    body = json.dumps({"model": "plain", "messages": messages})
    answer = await remembering.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert answer.headers["x-hyperbridge-scenes"] == "scenes; saved=0; refused=parts"
    assert upstream[0].seen[-1].body.decode() == body


async def test_of_passages_that_were_found_those_stay_that_bear_on_the_question(upstream, tmp_path, sent):
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}"}}}}
scenes: {{focus_tokens: 60}}
models: {{plain: twin/plain}}
"""
    found = [f"The {thing} of {place} was built in {1800 + n}." for n, (thing, place) in enumerate(BUILDINGS)]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    passages = [{"type": "text", "text": text, "hyperbridge": "context"} for text in found]
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "When was the lighthouse of Genoa built?"},
        *passages,
        image,
    ]
    body = {
        "model": "plain",
        "messages": [{"role": "user", "content": parts}],
        "hyperbridge": {"scenes": "focus"},
    }
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post(CHAT, json=body)
        (message,) = sent()
        assert message["content"][0] == parts[0]
        assert message["content"][-1] == image
        told = [part["text"] for part in message["content"][1:-1]]
        assert found[BUILDINGS.index(("lighthouse", "Genoa"))] in told
        assert told == [text for text in found if text in told]
        assert sum(map(len, told)) <= 240
        assert "hyperbridge" not in json.dumps(message)
        assert answer.json()["hyperbridge"]["scenes"]["forms"] == {"focus": 1}
        assert answer.json()["hyperbridge"]["scenes"]["saved_tokens"] > 100

        parts[1]["hyperbridge"] = "contexts"
        wrong = await client.post(CHAT, json=body)
    assert wrong.status_code == 400
    assert "context" in wrong.json()["error"]["message"]


BUILDINGS = [
    (thing, place)
    for thing in ("lighthouse", "theatre", "bridge", "station", "library")
    for place in ("Genoa", "Riga", "Porto", "Ghent")
]


async def test_auto_goes_as_far_as_was_proved_of_the_model(upstream, tmp_path):
    proof = PROOF | {"model": "good", "layer": "safe", "verdict": "proved"}
    worse = PROOF | {"model": "bad", "layer": "safe", "verdict": "worse"}
    (tmp_path / "proofs.json").write_text(json.dumps({"format": 1, "proofs": [proof, worse]}))
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}"}}}}
scenes: {{layer: auto, proofs: proofs.json, sample: 0}}
models: {{good: twin/good, bad: twin/bad}}
"""
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        good = await client.post(CHAT, json={"model": "good", "messages": talk(RESULT)})
        bad = await client.post(CHAT, json={"model": "bad", "messages": talk(RESULT)})
    assert good.headers["x-hyperbridge-scenes"].startswith("safe; ")
    assert "x-hyperbridge-scenes" not in bad.headers


PROOF: dict[str, Any] = {
    **dict.fromkeys(("why", "asked", "upstream", "suite_digest", "made", "version"), ""),
    **dict.fromkeys(("seed", "replicates", "questions", "pairs"), 0),
    **dict.fromkeys(("raw_right", "encoded_right", "margin", "self_agreement", "agreement"), 0.0),
    **dict.fromkeys(("low", "high", "p_value", "saved_share", "completion_ratio", "seconds_ratio")),
    "suites": [],
}
