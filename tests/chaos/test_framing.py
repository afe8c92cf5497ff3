"""However an upstream writes its events and wherever its bytes are cut: the client gets the same text, or an explicit error.

The client's side is read by a reader of its own (WHATWG HTML, 9.2.6), not by the gateway's.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.gateway import gateway_of
from tests.support.raw import raw_server, read_request

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
MIB = 1024 * 1024

NEWLINES = st.sampled_from([b"\n", b"\r\n", b"\r"])
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12)
CUTS = st.lists(st.integers(0, 100_000), max_size=20)
BESIDES = st.sampled_from([
    b"",
    b": a comment",
    b":",
    b"event: message",
    b"id: 7",
    b"retry: 1000",
    b"unknown",
])
FAULTS = st.sampled_from([
    b'{"choices": [{"delta": {"content": "half',
    b"nonsense",
    b"{]}",
    b"[" * 100_000,
    b'{"choices": [{"delta": {"content": "\xff\xfe"}}]}',
    b'{"choices": [{"delta": {"content": "\xf0\x9f"}}]}',
    b'{"choices": [{"delta": {"content": "a\x00b"}}]}',
    b'{"error": {"message": "out of memory", "type": "server_error", "code": 500}}',
])  # fmt: skip


@dataclass
class Upstream:
    """Answers every request with these pieces; `broken` says that HTTP's own end is missing."""

    pieces: list[bytes] = field(default_factory=list)
    broken: bool = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(HEAD)
            for piece in self.pieces:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.sleep(0)
            if self.broken:
                return
            writer.write(b"0\r\n\r\n")

    def says(self, stream: bytes, cuts: list[int]) -> None:
        edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
        self.pieces = [stream[start:end] for start, end in pairwise(edges) if end > start]


@dataclass
class Heard:
    """What a client makes of an answer."""

    status: int
    text: str = ""
    told: bool = False
    done: bool = False


@dataclass
class Rig:
    upstream: Upstream
    client: httpx.AsyncClient

    async def ask(self) -> Heard:
        body = {"model": "words", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        answer = await self.client.post("/v1/chat/completions", json=body)
        if answer.status_code != 200:
            return Heard(answer.status_code, told="error" in answer.json())
        return read(answer.content)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncGenerator[Rig]:
    upstream = Upstream()
    async with raw_server(upstream) as port:
        yaml = f"""
upstreams:
  raw: {{kind: openai, url: "http://127.0.0.1:{port}/v1", breaker: null}}
models:
  words: {{upstream: raw, model: m, rescue: false, retries: 0}}
"""
        async with (
            gateway_of(yaml, tmp_path) as gateway,
            httpx.AsyncClient(base_url=gateway.url, timeout=20) as client,
        ):
            yield Rig(upstream, client)


def read(stream: bytes) -> Heard:
    """The text of a stream, and how it ends."""
    heard = Heard(200)
    data: list[str] = []
    for line in re.split("\r\n|\n|\r", stream.decode().removeprefix("\ufeff")):
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            take(heard, "\n".join(data))
            data.clear()
    return heard


def take(heard: Heard, payload: str) -> None:
    if payload == "[DONE]":
        heard.done = True
        return
    event = json.loads(payload)
    heard.told = heard.told or "error" in event
    for choice in event.get("choices", ()):
        heard.text += choice["delta"].get("content") or ""


def payload_of(text: str, *, lines: bool, ascii_only: bool) -> bytes:
    event = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    return json.dumps(event, indent=1 if lines else None, ensure_ascii=ascii_only).encode()


@st.composite
def events(draw: st.DrawFn, payload: bytes) -> bytes:
    """One event with this data, as it may be written: in several lines, with other fields, after comments."""
    end = draw(NEWLINES)
    mark = draw(st.sampled_from([b"data: ", b"data:"]))
    lines = [mark + line for line in payload.split(b"\n")]
    beside = draw(BESIDES)
    if beside:
        lines.insert(draw(st.integers(0, len(lines))), beside)
    comment = draw(st.sampled_from([b"", b": still there" + end * 2]))
    return comment + end.join(lines) + end * 2


@st.composite
def words(draw: st.DrawFn) -> tuple[list[bytes], str]:
    """The events of some texts, and all of the text."""
    texts = draw(st.lists(TEXTS, min_size=1, max_size=6))
    payloads = [payload_of(text, lines=draw(st.booleans()), ascii_only=draw(st.booleans())) for text in texts]
    return [draw(events(payload)) for payload in payloads], "".join(texts)


FINISH = b'{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}'
USAGE = b'{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}'


@st.composite
def endings(draw: st.DrawFn) -> bytes:
    """What ends a stream well: a finish or [DONE], or both, with usage or without; the last blank line may be missing."""
    finish = draw(events(FINISH))
    done = draw(events(b"[DONE]"))
    usage = draw(st.sampled_from([b"", draw(events(USAGE))]))
    ending = draw(st.sampled_from([finish + usage + done, finish + usage, usage + done]))
    return ending if draw(st.booleans()) else ending.rstrip(b"\r\n")


many = settings(
    max_examples=200,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an answer is too slow to look for the smallest
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
few = settings(many, max_examples=12)


@many
@given(words(), endings(), st.booleans(), CUTS)
async def test_a_sound_stream_has_the_same_text_wherever_it_is_cut(rig: Rig, said, ending, marked, cuts):
    pieces, text = said
    rig.upstream.says((b"\xef\xbb\xbf" if marked else b"") + b"".join(pieces) + ending, cuts)

    heard = await rig.ask()

    assert (heard.status, heard.text, heard.told) == (200, text, False)


@many
@given(words(), FAULTS, endings(), CUTS, st.integers(0, 6), NEWLINES)
async def test_behind_a_faulty_event_comes_an_explicit_error(rig: Rig, said, fault, ending, cuts, place, end):
    pieces, text = said
    pieces.insert(place, b"data: " + fault + end * 2)
    rig.upstream.says(b"".join(pieces) + ending, cuts)

    heard = await rig.ask()

    assert heard.told
    assert not heard.done
    assert text.startswith(heard.text)


async def test_done_behind_an_error_of_the_upstreams_does_not_reach_the_client(rig: Rig):
    word = payload_of("half", lines=False, ascii_only=True)
    error = b'{"error": {"message": "out of memory"}}'
    stream = b"".join(b"data: %b\n\n" % data for data in (word, error, FINISH, b"[DONE]"))
    rig.upstream.says(stream, [len(word) + 8])

    heard = await rig.ask()

    assert heard.told
    assert not heard.done


@many
@given(words(), CUTS, st.integers(1, 100_000), st.booleans())
async def test_a_stream_without_its_end_is_never_taken_for_a_whole_one(rig: Rig, said, cuts, length, broken):
    pieces, text = said
    stream = b"".join(pieces)
    rig.upstream.broken = broken
    rig.upstream.says(stream[: length % len(stream) + 1], cuts)

    heard = await rig.ask()

    assert heard.told
    assert not heard.done
    assert text.startswith(heard.text)


@few
@given(st.sampled_from("aé😀"), st.lists(st.integers(0, 2 * MIB), max_size=8), st.booleans(), NEWLINES)
async def test_lines_of_two_megabytes_go_through_wherever_they_are_cut(rig: Rig, letter, cuts, comment, end):
    text = letter * (2 * MIB // len(letter.encode()))
    long = b": " + b"x" * 2 * MIB + end * 2 if comment else b""
    whole = b"data: " + payload_of(text, lines=False, ascii_only=False) + end * 2
    rig.upstream.says(long + whole + b"data: " + FINISH + end * 2, cuts)

    heard = await rig.ask()

    assert heard.text == text
    assert not heard.told
