import json
from typing import Any

import pytest

from app import sse
from app.accounted import Accounting
from app.contracts import Saving
from app.operations import Dialect
from app.reading import Reading


class Given:
    """An answer of these pieces."""

    headers = ()

    def __init__(self, pieces: list[bytes], dialect: Dialect, *, streams: bool) -> None:
        self._pieces = pieces
        self.streams = streams
        self.reading = Reading(dialect)

    async def read(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if self.streams:
            self.reading.events(piece)
        elif piece:
            self.reading.whole(piece)
        return piece


async def told(*pieces: bytes, dialect: Dialect = "chat", streams: bool = False) -> bytes:
    answer = Accounting(Saving("safe"), dialect).decode(Given([*pieces], dialect, streams=streams))
    found = b""
    while piece := await answer.read():
        found += piece
    return found


@pytest.mark.parametrize("body", [b"{}", b'{"data":[]}', b' { "data" : [ ] }\n'])
async def test_what_was_saved_is_told_at_the_end_of_any_object(body):
    answer = json.loads(await told(body))
    assert answer.pop("hyperbridge")["scenes"]["layer"] == "safe"
    assert answer == json.loads(body)


@pytest.mark.parametrize("body", [b'[{"index":0}]', b'"text"', b"[]"])
async def test_an_answer_that_is_no_object_stays_as_it_is(body):
    assert await told(body) == body


async def test_tokens_that_the_upstream_did_not_count_are_not_told():
    counted = json.loads(await told(b'{"input_tokens":7}', dialect="messages"))["hyperbridge"]["scenes"]
    assert not counted.keys() & {"tokens_before", "tokens_after", "cached_tokens"}


def chunk(**members: Any) -> bytes:
    return sse.write(json.dumps(members).encode())


async def test_a_stream_that_tells_its_usage_with_its_finish_tells_what_was_saved_there_alone():
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    text = {"index": 0, "delta": {"content": "hi"}, "finish_reason": None}
    first = chunk(choices=[text], usage=usage)
    last = chunk(choices=[text | {"finish_reason": "stop"}], usage=usage)
    done = await told(first, last, sse.write(sse.DONE), streams=True)
    assert done.startswith(first)
    assert done.count(b'"hyperbridge"') == 1
    member = json.loads(sse.data(sse.split(done)[1]))["hyperbridge"]["scenes"]
    assert member["tokens_after"] == 3
