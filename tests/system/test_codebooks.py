"""Codebooks as a client meets them: the legend behind the system text, the codes in data, and the words that come back."""

import json
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, cast

import httpx
import openai
import pytest

from scenes.codebook.book import Codebook, Entry
from scenes.forms import decoded
from tests.scenes.phrases import PHRASES
from tests.support.gateway import Served, gateway_of
from tests.support.raw import answering, raw_server
from tests.support.waiting import answered, eventually

CHAT = "/v1/chat/completions"
CODES = ("§aa", "§ab", "§ac")
BOOK = Codebook(
    "shop", 1, None, tuple(Entry(code, phrase, 9, "active") for code, phrase in zip(CODES, PHRASES, strict=True))
)  # fmt: skip
LATER = BOOK.extended([Entry("§ab", PHRASES[1], 9, "retired"), Entry("§ad", "a lorry has left the yard empty", 3, "active")])  # fmt: skip
SYSTEM = {"role": "system", "content": "Answer in  one word."}
QUESTION = {"role": "user", "content": "What happened?"}


def log(first: int) -> str:
    """Lines in which nothing comes again but the book's phrases."""
    return "\n".join(f"{first + n} {hash_of(first + n)} {PHRASES[n % 3]} {hash_of(n)}" for n in range(20))


def hash_of(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}"


def talk(*results: str, system: object = SYSTEM) -> list[Any]:
    said: list[Any] = [] if system is None else [system]
    said.append(QUESTION)
    for number, result in enumerate(results):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "get", "arguments": "{}"}}
        said.append({"role": "assistant", "content": None, "tool_calls": [call]})
        said.append({"role": "tool", "tool_call_id": f"c{number}", "content": result})
    return said


def configured(url: str, more: str = "") -> str:
    return f"""
upstreams: {{twin: {{kind: openai, url: "{url}"}}}}
server: {{watch_seconds: 0.1}}
scenes: {{layer: codebook, codebooks: {{shop-logs: shop.json}}{more}}}
models:
  coded: {{upstream: twin, model: coded, codebook: shop-logs}}
  plain: twin/plain
"""


@pytest.fixture
async def gateway(upstream, tmp_path) -> AsyncGenerator[Served]:
    (tmp_path / "shop.json").write_bytes(BOOK.to_json())
    async with gateway_of(configured(upstream[1]), tmp_path) as served:
        yield served


@pytest.fixture
async def client(gateway) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as opened:
        yield opened


@pytest.fixture
def sent(upstream):
    """The messages of the last request that reached the upstream."""
    return lambda: upstream[0].seen[-1].json()["messages"]


async def ask(client: httpx.AsyncClient, messages: Sequence[Any], **more: Any) -> httpx.Response:
    answer = await client.post(CHAT, json={"model": "coded", "messages": messages, **more})
    assert answer.status_code == 200, answer.text
    return answer


async def test_the_legend_stands_behind_the_system_text_from_the_first_prompt_on(client, sent):
    answer = await ask(client, talk())

    assert sent() == [{"role": "system", "content": f"{SYSTEM['content']}\n\n{BOOK.legend}"}, QUESTION]
    told = answer.json()["hyperbridge"]["scenes"]
    assert told["epoch"] == BOOK.digest[:12]
    assert told["saved_tokens"] == -told["legend_tokens"] < 0
    assert answer.headers["x-hyperbridge-scenes"] == (
        f"codebook; saved={told['saved_tokens']}; legend={told['legend_tokens']}; epoch={told['epoch']}"
    )


async def test_what_tools_gave_back_is_said_with_the_book_and_what_was_said_before_stays(client, sent):
    before: list[Any] = []
    for count in range(4):
        answer = await ask(client, talk(*(log(1000 * n) for n in range(count))))
        assert sent()[: len(before)] == before
        before = sent()
        for number, message in enumerate(message for message in sent() if message["role"] == "tool"):
            assert message["content"].startswith("[book lines=20 shop@1]\n")
            assert decoded(message["content"], BOOK) == log(1000 * number)
    told = answer.json()["hyperbridge"]["scenes"]
    assert told["forms"] == {"book": 3}
    assert told["saved_tokens"] > 300 > told["legend_tokens"] > 0
    assert told["tokens_before"] - told["tokens_after"] == told["saved_tokens"]


async def test_all_but_the_legend_stays_byte_for_byte(client, upstream):
    body = '{ "messages" : [ {"x": 1.0, "content" : "be\\u0020brief", "role":"system"} , {"role":"user","content":"Hi"}], "model": "coded"}'
    await client.post(CHAT, content=body, headers={"content-type": "application/json"})

    legend = json.dumps(f"\n\n{BOOK.legend}", ensure_ascii=False)[1:-1]
    assert upstream[0].seen[-1].body.decode() == body.replace("brief", f"brief{legend}")


@pytest.mark.parametrize(
    ("system", "first"),
    [
        (None, {"role": "system", "content": BOOK.legend}),
        (
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": BOOK.legend}]},
        ),
        ({"role": "system", "content": ""}, {"role": "system", "content": f"\n\n{BOOK.legend}"}),
    ],
)  # fmt: skip
async def test_it_has_a_message_of_its_own_where_there_is_no_system_text(client, sent, system, first):
    await ask(client, talk(system=system))
    assert sent() == [first, QUESTION]


@pytest.mark.parametrize("wish", ["safe", "off"])
async def test_who_wants_no_codes_gets_no_legend(client, sent, wish):
    await ask(client, talk(), hyperbridge={"scenes": wish})
    assert sent() == talk()


async def test_a_model_without_a_book_gets_none(client, sent):
    answer = await ask(client, talk(), model="plain")
    assert sent() == talk()
    assert "epoch" not in answer.headers["x-hyperbridge-scenes"]


@pytest.mark.parametrize(
    ("members", "why"),
    [({"logprobs": True}, "logprobs"), ({"stop": "warehouse"}, "stop"), ({"continue_final_message": True, "add_generation_prompt": False}, "prefill")],
)  # fmt: skip
async def test_what_does_not_go_together_with_codes_gets_no_legend_and_is_told(client, sent, members, why):
    answer = await ask(client, talk(log(1)), **members)
    assert sent()[0] == SYSTEM
    assert not any(code in sent()[-1]["content"] for code in CODES)
    assert answer.headers["x-hyperbridge-scenes"].endswith(f"refused={why}")


async def test_other_interfaces_get_no_legend(upstream, tmp_path):
    (tmp_path / "shop.json").write_bytes(BOOK.to_json())
    yaml = configured(upstream[1]).replace("kind: openai", "kind: openai, speaks: [chat, messages]")
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        body = {"model": "coded", "max_tokens": 9, "messages": [QUESTION]}
        assert (await client.post("/v1/messages", json=body)).status_code == 200
        assert upstream[0].seen[-1].json()["messages"] == [QUESTION]


async def test_a_code_in_the_answer_is_undone_though_no_data_had_it(tmp_path):
    (tmp_path / "shop.json").write_bytes(LATER.to_json())
    pieces = ["It was §a", "a, then §ab", ", not §zz."]
    chunks = [{"id": "x", "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    chunks.append({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    async with raw_server(answering((head + events).encode())) as port:
        yaml = configured(f"http://127.0.0.1:{port}/v1")
        async with (
            gateway_of(yaml, tmp_path) as gateway,
            openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client,
        ):
            stream = await client.chat.completions.create(
                model="coded", messages=cast("Any", talk()), stream=True
            )
            said = [choice.delta.content async for chunk in stream for choice in chunk.choices]
    assert "".join(filter(None, said)) == f"It was {PHRASES[0]}, then {PHRASES[1]}, not §zz."


async def test_a_conversation_keeps_the_version_that_it_began_with(client, sent, tmp_path):
    named = {"hyperbridge": {"conversation": "old"}}
    await ask(client, talk(log(1)), **named)
    before = sent()
    tried = {"hyperbridge": {"conversation": "tried"}, "model": "coded", "messages": talk(log(1))}
    dry = await client.post("/v1/scenes/encode", json=tried)
    assert dry.json()["legend"] == BOOK.phrases
    swap(tmp_path / "shop.json", LATER.to_json())

    async def new_ones_have_the_later() -> bool:
        new = await ask(client, talk(log(1)), hyperbridge={"conversation": str(time.monotonic())})
        return bool(new.json()["hyperbridge"]["scenes"]["epoch"] == LATER.digest[:12])

    await answered(new_ones_have_the_later, seconds=5)
    old = await ask(client, talk(log(1), log(2)), **named)
    assert sent()[: len(before)] == before
    assert old.json()["hyperbridge"]["scenes"]["epoch"] == BOOK.digest[:12]
    await ask(client, talk(log(1)), hyperbridge=tried["hyperbridge"])
    assert LATER.legend in sent()[0]["content"], "a dry run begins no conversation"
    await ask(client, talk(log(1)))
    assert LATER.legend in sent()[0]["content"]
    assert decoded(sent()[-1]["content"], LATER) == log(1)


async def test_a_broken_book_that_takes_the_place_of_a_good_one_is_kept_out(client, caplog, sent, tmp_path):
    swap(tmp_path / "shop.json", BOOK.to_json().replace(b"active", b"actve "))
    await eventually(lambda: "is kept out" in caplog.text, seconds=5)
    await ask(client, talk())
    assert BOOK.legend in sent()[0]["content"]
    assert "scenes.codebooks.shop-logs: is no codebook to say prompts with" in caplog.text
    assert PHRASES[0] not in caplog.text


def swap(file: Path, data: bytes) -> None:
    beside = file.with_suffix(".new")
    beside.write_bytes(data)
    beside.replace(file)


async def test_a_book_that_does_not_pay_in_the_turns_that_are_expected_is_left_out_and_that_is_told(
    upstream, tmp_path, sent
):
    (tmp_path / "shop.json").write_bytes(BOOK.to_json())
    yaml = configured(upstream[1], ", expected_turns: 1")
    async with gateway_of(yaml, tmp_path) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await ask(client, talk(log(1)))
        assert sent()[0] == SYSTEM
        assert answer.headers["x-hyperbridge-scenes"].endswith("refused=legend")
        assert answer.json()["hyperbridge"]["scenes"]["refused"] == "legend"
        metrics = (await client.get("/metrics")).text
    assert 'hyperbridge_scene_refusals_total{reason="legend"} 1.0' in metrics


async def test_the_legends_tokens_are_measured(client):
    await ask(client, talk())
    metrics = (await client.get("/metrics")).text
    assert 'hyperbridge_scene_tokens_total{layer="codebook",sent="yes",stage="legend"}' in metrics


async def test_a_dry_run_tells_the_legend_and_its_text_comes_back_by_the_book_that_it_names(client):
    told = (await client.post("/v1/scenes/encode", json={"model": "coded", "messages": talk(log(1))})).json()
    assert told["round_trip"] == {"exact": True, "canonical": True}
    assert [part["form"] for part in told["parts"]] == ["book"]
    assert told["legend"] == BOOK.phrases
    assert BOOK.legend in told["messages"][0]["content"]
    undone = await client.post("/v1/scenes/decode", json={"text": told["messages"][-1]["content"]})
    assert undone.json()["text"] == log(1)
    other = told["messages"][-1]["content"].replace("shop@", "other@")
    refused = await client.post("/v1/scenes/decode", json={"text": other})
    assert refused.status_code == 400
    assert "takes the codebook that it names" in refused.json()["error"]["message"]
