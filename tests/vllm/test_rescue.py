"""A stream of a real vLLM is cut on its way, and gone on with by the same vLLM."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.gateway import gateway_of
from tests.vllm.asking import asked, chat, streamed
from tests.vllm.server import Server

EVENTS = 6
"""How many events of the first answer pass."""


@asynccontextmanager
async def cutting(url: str) -> AsyncGenerator[str]:
    """A way to this server that breaks once, behind the first events of a stream."""
    parts = urlsplit(url)
    cuts = [EVENTS]

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool) -> None:
        passed = 0
        while data := await reader.read(65536):
            if answer and cuts:
                passed += data.count(b"data: ")
                if passed > cuts[0]:
                    cuts.clear()
                    break
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            await asyncio.gather(carry(reader, back, answer=False), carry(there, writer, answer=True))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            back.transport.abort()
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def text_of(events: list) -> str:
    return "".join(
        choice["delta"].get("content") or "" for event in events[:-1] for choice in event["choices"]
    )


async def words(client: httpx.AsyncClient) -> list[int]:
    """Tokens that are whole words: of any bytes the tiny model would make what is no text, and cannot be told again."""
    text = " bada foli gudo deras bine vaga pudu banu pora dupi vili vama gane visu sera tidu mago"
    body = {"model": "direct/base", "prompt": text, "add_special_tokens": False}
    return list((await asked(client, body, "/tokenize"))["tokens"])


@pytest.mark.parametrize("model", ["base", "poet"])
async def test_vllm_continues_its_own_message(vllm: Server, tmp_path: Path, model: str):
    async with cutting(vllm.url) as way:
        yaml = f"""
upstreams:
  local: {{kind: vllm, replicas: ["{way}/v1"], health_check_seconds: 0}}
  direct: {{kind: vllm, replicas: ["{vllm.url}/v1"], health_check_seconds: 0}}
"""
        async with (
            gateway_of(yaml, tmp_path) as gateway,
            httpx.AsyncClient(base_url=gateway.url, timeout=30) as client,
        ):
            asked_for = chat(f"local/{model}", max_tokens=24, stream_options={"include_usage": True})
            asked_for["allowed_token_ids"] = await words(client)
            rescued = await streamed(client, asked_for)
            whole = await streamed(client, asked_for | {"model": f"direct/{model}"})

    assert rescued[-1] == "[DONE]"
    assert text_of(rescued) == text_of(whole)
    assert [event["hyperbridge"]["rescues"] for event in rescued[:-1] if "hyperbridge" in event] == [1]
    assert [event["usage"] for event in rescued[:-1] if event.get("usage")] == [
        event["usage"] for event in whole[:-1] if event.get("usage")
    ]
