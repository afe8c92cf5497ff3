"""Texts in a model's own tokens, and in words again."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from app.codecs.hyper import in_tokens, in_words
from app.operations import CHAT
from app.wire import Request
from scenes.hypertokens import Hypertoken, Hypertokens

DESK = "The desk waits below the level, and nobody wants to be the first."
DOOR = "Порог и тишина: рынок стоит у уровня без объёма."
BOOK = Hypertokens("desk", 1, "0" * 64, (Hypertoken("<|Δ14|>", 9, DESK), Hypertoken("<|Δ2|>", 8, DOOR)))


def request(messages: Sequence[Mapping[str, Any]], **members: Any) -> Request:
    return Request.parse(msgspec.json.encode({"model": "m", "messages": messages, **members}), CHAT)


def test_every_text_of_a_chat_is_said_in_the_models_own_tokens_whoever_says_it() -> None:
    said = in_tokens(
        request([
            {"role": "system", "content": f"Before:\n{DESK}"},
            {
                "role": "user",
                "content": [{"type": "text", "text": DOOR}, {"type": "image_url", "image_url": DESK}],
            },
            {"role": "assistant", "content": DESK},
            {"role": "tool", "tool_call_id": "1", "content": f"{DESK}\n{DESK}"},
        ]),
        BOOK,
    )
    contents = [each["content"] for each in said.request.members.value("messages")]
    assert contents[0] == "Before:\n<|Δ14|>"
    assert contents[1] == [{"type": "text", "text": "<|Δ2|>"}, {"type": "image_url", "image_url": DESK}]
    assert contents[2:] == ["<|Δ14|>", "<|Δ14|>\n<|Δ14|>"]
    assert said.uses == {"<|Δ14|>": 4, "<|Δ2|>": 1}


def test_calls_tools_and_schemas_stay_byte_for_byte() -> None:
    tools = [{"type": "function", "function": {"name": "look", "description": DESK}}]
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "look", "arguments": msgspec.json.encode({"q": DESK}).decode()},
    }
    asked = request(
        [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "user", "content": "And?"}],
        tools=tools,
    )
    assert in_tokens(asked, BOOK).request is asked


def test_a_chat_without_such_texts_is_the_same_request() -> None:
    asked = request([{"role": "user", "content": "Gold is at 2411.5."}])
    assert in_tokens(asked, BOOK).request is asked
    assert in_words(asked, BOOK) is asked


def test_a_prompt_that_grows_keeps_its_beginning() -> None:
    messages = [
        {"role": "user", "content": f"{DESK}\nWhere is the stop?"},
        {"role": "assistant", "content": DOOR},
    ]
    more = [*messages, {"role": "user", "content": DOOR}]
    short, long = (
        in_tokens(request(each), BOOK).request.members.raw("messages") for each in (messages, more)
    )
    assert short is not None
    assert long is not None
    assert long.startswith(short.rstrip(b"]"))


@pytest.mark.parametrize("letter", ["Δ", "∆", "δ"])
def test_a_token_that_a_client_wrote_is_told_in_words_to_a_model_that_has_none(letter: str) -> None:
    asked = request([{"role": "user", "content": f"What is <|{letter}14|> now? <|Δ7|>"}])
    assert in_words(asked, BOOK).members.value("messages")[0]["content"] == f"What is {DESK} now? <|Δ7|>"


def test_a_token_that_a_client_wrote_is_none_of_those_that_were_put_there() -> None:
    said = in_tokens(request([{"role": "user", "content": "What is <|∆14|> now?"}]), BOOK)
    assert said.request.members.value("messages")[0]["content"] == "What is <|Δ14|> now?"
    assert said.uses == {}


def test_a_message_that_names_a_member_twice_is_passed_over() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x","content":"%s"}]}' % DESK.encode()
    asked = Request.parse(body, CHAT)
    assert in_tokens(asked, BOOK).request is asked
