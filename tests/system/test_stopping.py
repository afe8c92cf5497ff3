"""A stop in order: whoever is being answered gets all of it, whoever comes is told to ask again."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from sim.server import Twin
from tests.support.process import serving
from tests.support.waiting import eventually

CHAT = "/v1/chat/completions"
STREAMS = 50
WORDS = 40


def configuration(folder: Path, url: str, drain_seconds: float = 20) -> Path:
    path = folder / "hyperbridge.yaml"
    path.write_text(
        f"server: {{drain_seconds: {drain_seconds}}}\n"
        f'upstreams: {{twin: {{kind: openai, url: "{url}"}}}}\n'
        f'models: {{slow: "twin/x?chunks={WORDS}&gap=0.05"}}\n'
    )
    return path


def body(*, stream: bool = True) -> dict[str, object]:
    return {"model": "slow", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}


async def whole(client: httpx.AsyncClient) -> bool:
    """Whether a stream came with all its words and its end."""
    answer = await client.post(CHAT, json=body())
    return f"word{WORDS - 1} " in answer.text and answer.text.endswith("data: [DONE]\n\n")


@asynccontextmanager
async def streaming(
    client: httpx.AsyncClient, twin: Twin, count: int
) -> AsyncGenerator[list[asyncio.Task[bool]]]:
    """So many streams, all begun."""
    streams = [asyncio.ensure_future(whole(client)) for _ in range(count)]
    await eventually(lambda: len([seen for seen in twin.seen if seen.sent_tokens]) >= count, 10)
    try:
        yield streams
    finally:
        for stream in streams:
            stream.cancel()


async def test_fifty_open_streams_get_fifty_whole_answers(upstream, tmp_path):
    twin, url = upstream
    path = configuration(tmp_path, url)
    with serving(tmp_path, "--config", str(path)) as (process, base):
        async with (
            httpx.AsyncClient(base_url=base, timeout=30) as client,
            streaming(client, twin, STREAMS) as streams,
        ):
            process.send_signal(signal.SIGTERM)
            assert await asyncio.gather(*streams) == [True] * STREAMS
        assert await asyncio.to_thread(process.wait, 10) == 0
    log = (tmp_path / "stderr").read_text()
    assert log.count('"event":"exchange"') == STREAMS


async def test_whoever_comes_meanwhile_is_told_to_ask_again(upstream, tmp_path):
    twin, url = upstream
    path = configuration(tmp_path, url)
    with serving(tmp_path, "--config", str(path)) as (process, base):
        async with (
            httpx.AsyncClient(base_url=base, timeout=30) as client,
            streaming(client, twin, 1) as streams,
        ):
            process.send_signal(signal.SIGTERM)
            while (ready := await client.get("/readyz")).status_code == 200:
                pass
            refused = await client.post(CHAT, json=body())

            assert ready.status_code == 503
            assert (await client.get("/livez")).status_code == 200
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "gateway_stopping"
            assert refused.headers["retry-after"] == "1"
            assert refused.headers["connection"] == "close"
            assert await asyncio.gather(*streams) == [True]
        assert await asyncio.to_thread(process.wait, 10) == 0


@pytest.mark.parametrize("signals", [1, 2])
async def test_the_wait_has_a_bound_and_a_second_signal_ends_it(upstream, tmp_path, signals):
    twin, url = upstream
    path = configuration(tmp_path, url, drain_seconds=0.2 if signals == 1 else 60)
    with serving(tmp_path, "--config", str(path)) as (process, base):
        async with (
            httpx.AsyncClient(base_url=base, timeout=30) as client,
            streaming(client, twin, 1) as streams,
        ):
            for _ in range(signals):
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.1)
            assert await asyncio.gather(*streams) == [False]
        assert await asyncio.to_thread(process.wait, 5) == 0
    assert '"outcome":"stopping"' in (tmp_path / "stderr").read_text()


async def test_a_new_configuration_breaks_no_stream_and_refuses_no_call(upstream, tmp_path):
    twin, url = upstream
    path = configuration(tmp_path, url)
    with serving(tmp_path, "--config", str(path), "--workers", "2") as (process, base):
        async with (
            httpx.AsyncClient(base_url=base, timeout=30) as client,
            streaming(client, twin, 10) as streams,
        ):
            process.send_signal(signal.SIGHUP)
            while not all(stream.done() for stream in streams):
                async with httpx.AsyncClient(base_url=base) as newcomer:
                    assert (await newcomer.get("/readyz")).status_code == 200
            assert [stream.result() for stream in streams] == [True] * 10


async def test_a_stream_that_outlasts_the_bound_of_a_stop_outlives_its_worker_s_replacement(
    upstream, tmp_path
):
    twin, url = upstream
    path = configuration(tmp_path, url, drain_seconds=0)
    with serving(tmp_path, "--config", str(path), "--workers", "2") as (process, base):
        async with (
            httpx.AsyncClient(base_url=base, timeout=30) as client,
            streaming(client, twin, 4) as streams,
        ):
            process.send_signal(signal.SIGHUP)
            assert await asyncio.gather(*streams) == [True] * 4


def everyone(process: subprocess.Popen[str]) -> list[int]:
    """A process and those that it has started, as a terminal's Ctrl-C reaches them."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [process.pid, *map(int, children.split())]


@pytest.mark.parametrize("presses", [1, 2])
async def test_ctrl_c_stops_workers_in_order_and_pressed_twice_at_once(upstream, tmp_path, presses):
    twin, url = upstream
    path = configuration(tmp_path, url)
    with serving(tmp_path, "--config", str(path), "--workers", "2") as (process, base):
        async with (
            httpx.AsyncClient(base_url=base, timeout=30) as client,
            streaming(client, twin, 4) as streams,
        ):
            for _ in range(presses):
                for number in everyone(process):
                    os.kill(number, signal.SIGINT)
                await asyncio.sleep(0.4)  # the process above looks for signals a few times a second
            assert await asyncio.gather(*streams) == [presses == 1] * 4
        assert await asyncio.to_thread(process.wait, 10) == 0


async def test_a_large_request_is_told_of_the_stop_too(upstream, tmp_path):
    twin, url = upstream
    path = configuration(tmp_path, url)
    large = {"model": "slow", "messages": [{"role": "user", "content": "x" * 20_000_000}]}
    with serving(tmp_path, "--config", str(path)) as (process, base):
        async with (
            httpx.AsyncClient(base_url=base, timeout=30) as client,
            streaming(client, twin, 1) as streams,
        ):
            process.send_signal(signal.SIGTERM)
            while (await client.get("/readyz")).status_code == 200:
                pass
            assert (await client.post(CHAT, json=large)).status_code == 503
            assert await asyncio.gather(*streams) == [True]
