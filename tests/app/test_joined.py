"""A continuation is written as the rest of the answer before it."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from app import sse
from app.errors import UpstreamBroken
from app.joined import Joined
from app.overlap import Overlap
from app.reading import Reading, Said

TEXT = "the cat and the dog, and"
DONE = b"data: [DONE]\n\n"


class Given:
    """An answer that has these pieces."""

    streams = True
    headers = ()

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.reading = Reading("chat", keeps_text=True)
        self._pieces = list(pieces)

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def event(**choice: Any) -> bytes:
    body = {"id": "two", "created": 2, "model": "m", "choices": [{"index": 0, **choice}]}
    return sse.write(orjson.dumps(body))


def words(text: str, **more: Any) -> bytes:
    return event(delta={"content": text}, finish_reason=None, **more)


async def joined(*pieces: bytes, said: Said | None = None) -> list[Any]:
    """The data of the events that the client gets."""
    kept = said or Said()
    kept.keep(TEXT)
    answer = Joined(
        Given(pieces),
        kept,
        Overlap(TEXT),
        name={"id": "one", "created": 1},
        note={"rescues": 1},
        counting=lambda read, written: (read, written + 5),
    )
    events: list[Any] = []
    while piece := await answer.read():
        events += [orjson.loads(sse.data(each)) if each != DONE else "[DONE]" for each in sse.split(piece)]
    return events


def text_of(events: Sequence[Any]) -> str:
    choices = [choice for chunk in events if chunk != "[DONE]" for choice in chunk["choices"]]
    assert not any("text" in choice for choice in choices)
    return "".join((choice.get("delta") or {}).get("content", "") for choice in choices)


HELD = words(" and the")
"""It may still be a repetition of the text's beginning."""


@pytest.mark.parametrize(
    "end",
    [
        [event(delta={}, finish_reason="stop"), DONE],
        [event(finish_reason="stop"), DONE],
        [event(delta=None, finish_reason="stop"), DONE],
        [DONE],
        [],
        [sse.write(b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'), DONE],
        [event(delta={"tool_calls": [{"index": 0}]}, finish_reason=None), DONE],
    ],
    ids=["finish", "no delta", "null delta", "[DONE]", "nothing", "usage", "a tool call"],
)
async def test_what_was_held_back_comes_out_before_whatever_follows(end):
    events = await joined(HELD, *end)

    assert text_of(events) == " and the"
    assert text_of(events[:1]) == " and the" or events[0]["choices"][0].get("finish_reason")


async def test_all_that_the_client_gets_is_kept_for_the_next_time():
    said = Said()
    await joined(HELD, words(" bird"), event(delta={}, finish_reason="stop"), said=said)

    assert said.text == TEXT + " and the bird"


async def test_the_answer_keeps_its_name_and_says_what_was_done():
    events = await joined(
        event(delta={"role": "assistant", "content": ""}), words(" X"), event(delta={}, finish_reason="stop")
    )

    assert [(chunk["id"], chunk["created"]) for chunk in events] == [("one", 1)] * 2
    assert [chunk.get("hyperbridge") for chunk in events] == [None, {"rescues": 1}]
    assert "role" not in events[0]["choices"][0]["delta"]


async def test_second_thoughts_are_not_shown():
    events = await joined(
        event(delta={"reasoning_content": "hm"}), event(delta={"reasoning": "hm"}), words(" X")
    )

    assert len(events) == 1


async def test_usage_is_counted_as_one():
    usage = sse.write(b'{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}')

    assert (await joined(words(" X"), usage))[-1]["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 7,
        "total_tokens": 14,
    }


async def test_comments_pass():
    given = Joined(
        Given([b": ping\n\n"]),
        Said(),
        Overlap(""),
        name={},
        note={},
        counting=lambda read, written: (read, written),
    )

    assert await given.read() == b": ping\n\n"


@pytest.mark.parametrize(
    "piece",
    [
        sse.write(b'{"choices":[null]}'),
        sse.write(b'{"choices":[{"delta":[1]}]}'),
        sse.write(b'{"choices":[{"delta":{"content":[1]}}]}'),
        sse.write(b'{"choices":[{"delta":{"content":"\xff"}}]}'),
        words("the cat and the dog, or not"),
    ],
    ids=["no choice", "no delta", "no text", "no Unicode", "another answer"],
)
async def test_what_cannot_be_joined_is_a_fault_of_the_upstream(piece):
    with pytest.raises(UpstreamBroken):
        await joined(piece)
