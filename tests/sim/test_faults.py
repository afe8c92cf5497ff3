"""Each fault is what its member says, told by a client that is not the gateway's."""

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson
import pytest

from tests.sim.asking import CHAT, body, chunks, finish, pieces, said

STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 529)


async def asked(direct: httpx.AsyncClient, script: str, **more: Any) -> httpx.Response:
    return await direct.post(CHAT, json=body(f"twin?{script}", **more))


@pytest.mark.parametrize("status", STATUSES)
async def test_every_error_has_the_shape_of_its_dialect(direct, status):
    found = {
        dialect: (await asked(direct, f"status={status}&dialect={dialect}")).json()
        for dialect in ("openai", "vllm", "nebius", "anthropic")
    }

    assert found["openai"]["error"].keys() == {"message", "type", "param", "code"}
    assert found["anthropic"]["type"] == "error"
    assert found["nebius"].keys() == {"detail"}
    assert found["vllm"] == {"error": "Unauthorized"} or found["vllm"]["error"]["code"] == status


async def test_an_error_has_the_code_and_the_words_of_what_it_stands_for(direct):
    openai = await asked(direct, "code=context_length_exceeded")
    vllm = await asked(direct, "code=context_length_exceeded&dialect=vllm")

    assert (openai.status_code, openai.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "maximum context length" in vllm.json()["error"]["message"]
    assert (await asked(direct, "code=content_filter")).json()["error"]["code"] == "content_filter"


async def test_422_of_nebius_repeats_what_it_got(direct):
    (fault,) = (await asked(direct, "status=422&dialect=nebius")).json()["detail"]

    assert fault.keys() == {"type", "loc", "msg", "input"}


async def test_retry_after_is_a_number_or_a_date(direct):
    number = await asked(direct, "status=429&retry_after=7")
    date = await asked(direct, "status=503&retry_date=90")

    assert number.headers["retry-after"] == "7"
    assert parsedate_to_datetime(date.headers["retry-after"]).tzinfo is not None


async def test_html_comes_with_200(direct):
    answer = await asked(direct, "html=1", stream=True)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")


async def test_truncated_json_has_the_length_of_what_there_is(direct):
    answer = await asked(direct, "truncated=1")

    assert int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.content)


async def test_a_truncated_stream_ends_in_order_inside_an_event(upstream, direct):
    answer = await asked(direct, "truncated=1&chunks=6", stream=True)

    assert answer.text.count("word") == 3
    assert not answer.text.endswith("\n")
    assert not upstream[0].seen[0].ended


async def test_a_reset_comes_before_the_head(upstream):
    address = httpx.URL(upstream[1])
    reader, writer = await asyncio.open_connection(address.host, address.port)
    sent = orjson.dumps(body("twin?reset=1"))

    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(sent), sent))
    with pytest.raises(ConnectionResetError):
        await reader.read(1)

    writer.close()
    assert (upstream[0].seen[0].status, upstream[0].seen[0].ended) == (0, False)


async def received(direct: httpx.AsyncClient, script: str) -> tuple[bytes, bool]:
    """What comes of a stream, and whether it was broken off."""
    got = b""
    try:
        async with direct.stream("POST", CHAT, json=body(f"twin?{script}", stream=True)) as answer:
            async for piece in answer.aiter_bytes():
                got += piece
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return got, True
    return got, False


@pytest.mark.parametrize("script", ["cut=3", "cut=3&gap=0.01&reset=1"])
async def test_a_cut_comes_after_so_many_chunks(upstream, direct, script):
    got, broken = await received(direct, script)

    assert broken
    assert got.count(b"word") == 3
    assert (upstream[0].seen[0].sent_tokens, upstream[0].seen[0].ended) == (3, False)


async def test_a_plain_answer_falls_silent_in_the_middle(direct):
    async with direct.stream("POST", CHAT, json=body("twin?stall=2"), timeout=0.2) as answer:
        with pytest.raises(httpx.ReadTimeout):
            await answer.aread()

    assert answer.status_code == 200


async def test_a_malformed_event_stands_in_the_place_of_a_chunk(direct):
    got, broken = await received(direct, "malformed=3&chunks=6")

    assert not broken
    assert b'"content": "wor\n' in got
    assert b"word3" not in got
    assert b"word4" in got


@pytest.mark.parametrize(
    ("script", "left_out"), [("done=0", b"[DONE]"), ("finish=0", b'"stop"'), ("usage=never", b'"usage"')]
)
async def test_the_end_of_a_stream_may_be_left_out(direct, script, left_out):
    got, _ = await received(direct, f"usage=always&{script}")
    usual, _ = await received(direct, "usage=always")

    assert left_out not in got
    assert left_out in usual


async def test_an_error_may_follow_a_lone_role(direct):
    role, error = chunks(await asked(direct, "error=0&code=overloaded", stream=True))

    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert error["error"]["code"] == "overloaded"


async def test_a_filter_ends_a_stream_after_some_chunks(direct):
    answer = await asked(direct, "filter=3", stream=True)
    whole = await asked(direct, "filter=3")

    assert (len(pieces(answer)), finish(answer)) == (3, "content_filter")
    assert whole.json()["choices"][0]["finish_reason"] == "content_filter"


async def test_thoughts_come_before_the_answer_and_are_counted(direct):
    answer = await asked(direct, "reasoning=3&chunks=2", stream=True, stream_options={"include_usage": True})
    vllm = await asked(direct, "reasoning=3&dialect=vllm", stream=True)
    whole = (await asked(direct, "reasoning=3&chunks=2")).json()["choices"][0]["message"]
    named = (await asked(direct, "reasoning=1&thoughts=reasoning")).json()["choices"][0]["message"]

    assert pieces(answer, "reasoning_content") == ["thought0 ", "thought1 ", "thought2 "]
    assert pieces(answer) == ["word0 ", "word1 "]
    assert chunks(answer)[-1]["usage"]["completion_tokens"] == 5
    assert chunks(answer)[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}
    assert len(pieces(vllm, "reasoning")) == 3
    assert whole["reasoning_content"] == "thought0 thought1 thought2 "
    assert named["reasoning"] == "thought0 "


async def test_a_tool_call_comes_with_its_arguments_in_pieces(direct):
    tools = [{"type": "function", "function": {"name": "get_price"}}]
    answer = await asked(direct, "tool=1&chunks=5", stream=True, tools=tools)
    whole = (await asked(direct, "tool=1&chunks=5", tools=tools)).json()["choices"][0]

    calls = [call for (call,) in pieces(answer, "tool_calls")]
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert (len(calls), calls[0]["function"]["name"], finish(answer)) == (5, "get_price", "tool_calls")
    assert orjson.loads(arguments) == {"words": "word0 word1 word2 word3 word4 "}
    assert whole["message"]["tool_calls"][0]["function"]["arguments"] == arguments


async def test_a_completion_is_streamed_as_text(direct):
    asked_for = {"model": "twin?chunks=3", "prompt": "Count", "stream": True}
    answer = await direct.post("/completions", json=asked_for)

    texts = [chunk["choices"][0]["text"] for chunk in chunks(answer)]
    assert texts == ["word0 ", "word1 ", "word2 ", ""]
    assert {chunk["object"] for chunk in chunks(answer)} == {"text_completion"}


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_a_bound_of_tokens_is_kept(direct, limit):
    answer = await asked(direct, "chunks=9", **{limit: 4})

    assert said(answer) == "word0 word1 word2 word3 "
    assert answer.json()["choices"][0]["finish_reason"] == "length"
    assert answer.json()["usage"]["completion_tokens"] == 4


async def test_a_header_scripts_as_the_name_does_and_wins(direct):
    answer = await direct.post(CHAT, json=body("twin?status=500&chunks=3"), headers={"x-sim": "status=418"})

    assert answer.status_code == 418


@pytest.mark.parametrize("script", ["nonsense=1", "chunks=many", "dialect=latin", "flap=1"])
async def test_what_the_twin_does_not_know_is_refused(direct, script):
    answer = await asked(direct, script)

    assert answer.status_code == 400
    assert script.partition("=")[0] in answer.json()["error"]["message"] or "many" in answer.text


async def test_what_is_no_request_is_refused(upstream, direct):
    address = httpx.URL(upstream[1])
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")

    assert (await reader.readline()).split()[1] == b"411"
    writer.close()
    assert (await direct.post(CHAT, content=b"{")).status_code == 400
    assert (await direct.post(CHAT, content=b"[]")).status_code == 400
