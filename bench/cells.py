"""The loads that are put on every target."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import orjson

from bench.answers import Script

SMALL = (1, 200)
LARGE = (32, 2048)
"""Prompts: messages, and bytes in each."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One load: what is asked, over how many connections, and at what pace.

    Without `per_second` each connection asks again as soon as it was answered.
    """

    name: str
    about: str
    model: str = "plain"
    connections: int = 32
    prompt: tuple[int, int] = SMALL
    per_second: float | None = None
    lasts: float = 1.0
    """How long it runs, as a multiple of the run's seconds."""

    @property
    def chunks(self) -> int:
        """Chunks in one answer; 0 where it comes in one piece."""
        return Script.of(self.model).chunks


def cells(*, slow_chunks: int) -> Mapping[str, Cell]:
    """Every cell by its name; the slow streams have this many chunks."""
    return {
        cell.name: cell
        for cell in (
            Cell("request", "200 B prompt, 1 KB answer, 32 connections"),
            Cell("prompt64k", "64 KB prompt in 32 messages, 32 connections", prompt=LARGE),
            Cell("fast", "64 chunks without delay, 16 connections", model="stream-64-0", connections=16),
            Cell(
                "slow",
                f"{slow_chunks} chunks 20 ms apart, 200 connections",
                model=f"stream-{slow_chunks}-20",
                connections=200,
            ),
            Cell("paced", "50 requests/s, 200 B prompt", connections=128, per_second=50.0, lasts=2.0),
        )
    }


WARM_UPS = (Cell("warm-up", "a small request"), Cell("warm-up", "a short stream", model="stream-4-0"))
"""What each connection asks once before a cell is measured."""


def warm_up(cell: Cell) -> Cell:
    """The warm-up that goes the cell's way."""
    plain, stream = WARM_UPS
    return stream if cell.chunks else plain


@cache
def request(model: str, prompt: tuple[int, int], key: str) -> bytes:
    """A chat completion as it goes over the wire; without a key where there is none."""
    number, size = prompt
    asked: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": ("lorem ipsum " * size)[:size]}] * number,
        "temperature": 0.3,
        "max_tokens": 256,
    }
    if Script.of(model).chunks:
        asked["stream"] = True
    body = orjson.dumps(asked)
    head = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"host: 127.0.0.1",
        b"content-type: application/json",
        b"content-length: %d" % len(body),
    ]
    if key:
        head.append(b"authorization: Bearer " + key.encode())
    return b"\r\n".join([*head, b"", body])
