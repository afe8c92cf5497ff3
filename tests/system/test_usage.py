"""What was used: kept over restarts and kills, told by GET /v1/usage."""

import asyncio
import contextlib
import csv
import io
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from app.keys.single_user import SingleUser
from app.reporter import Reporter
from app.store.usage import COLUMNS, Batch, Query, Row, Sums
from routers import usage
from routers.usage import UsageReport, Used
from tests.support.gateway import gateway_of, twin_configuration
from tests.support.postgres import postgresql
from tests.support.process import serving
from tests.support.waiting import eventually

CHAT = "/v1/chat/completions"
BODY = {"model": "words", "messages": [{"role": "user", "content": "Hello"}]}
ALICE, BOB, BOSS = "hb-alice-0001", "hb-bob-0002", "hb-boss-0003"


def listed(name: str, key: str, more: str = "") -> str:
    return f'  - {{id: {name}, sha256: {sha256(key.encode()).hexdigest()}, models: ["*"]{more}}}\n'


KEYS = "keys:\n" + listed("alice", ALICE) + listed("bob", BOB) + listed("boss", BOSS, ", admin: true")
PRICED = "  priced: {upstream: twin, model: twin-lora, price: {input: 100, output: 200}}\n"
STORE = "store: {url: 'sqlite:///usage.db', flush_seconds: 0.05}\n"


def of(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


async def told(client: httpx.AsyncClient, key: str, requests: int, **params: str) -> dict:
    """The usage, as soon as so many requests are in it."""
    end = time.monotonic() + 10
    while True:
        answer = await client.get("/v1/usage", headers=of(key), params=params)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        if found["total"]["requests"] >= requests or time.monotonic() > end:
            assert found["total"]["requests"] == requests
            return found
        await asyncio.sleep(0.02)


@pytest.fixture
async def kept(upstream, tmp_path):
    configuration = twin_configuration(upstream[1], PRICED + KEYS + STORE)
    async with (
        gateway_of(configuration, tmp_path) as gateway,
        httpx.AsyncClient(base_url=gateway.url, timeout=20) as client,
    ):
        yield client


async def test_a_key_sees_its_own_usage_and_an_admins_key_that_of_all(kept):
    for key, number in ((ALICE, 3), (BOB, 2)):
        for _ in range(number):
            answer = await kept.post(CHAT, json=BODY | {"model": "priced"}, headers=of(key))
            assert answer.status_code == 200
    used = answer.json()["usage"]

    alice = await told(kept, ALICE, 3, by="key,model,operation,outcome")
    assert [(row["key"], row["model"], row["operation"], row["outcome"]) for row in alice["data"]] == [
        ("alice", "priced", "chat", "ok")
    ]
    everyone = await told(kept, BOSS, 5, by="key")
    assert {row["key"]: row["requests"] for row in everyone["data"]} == {"alice": 3, "bob": 2}
    cost = (used["prompt_tokens"] * 100 + used["completion_tokens"] * 200) / 1_000_000
    assert everyone["total"]["cost_usd"] == pytest.approx(5 * cost)
    assert everyone["total"]["output_tokens"] == 5 * used["completion_tokens"]
    assert everyone["prices"] == "2026-10-07"
    assert everyone["delay_seconds"] == 0.05


async def test_a_stream_and_a_failure_are_counted_too(kept):
    async with kept.stream("POST", CHAT, json=BODY | {"stream": True}, headers=of(ALICE)) as stream:
        await stream.aread()
    await kept.post(CHAT, json=BODY | {"temperature": "hot"}, headers=of(ALICE))
    await kept.post(CHAT, json=BODY | {"model": "nothing"}, headers=of(ALICE))
    found = await told(kept, ALICE, 3, by="outcome,model")
    assert sum(row["requests"] for row in found["data"] if row["outcome"] == "failed") >= 1
    assert found["total"]["unpriced_tokens"] == (
        found["total"]["input_tokens"] + found["total"]["output_tokens"]
    ), "no price of `words` is known"


async def test_csv_is_asked_for_by_parameter_or_header(kept):
    await kept.post(CHAT, json=BODY, headers=of(ALICE))
    await told(kept, ALICE, 1)
    for params, accept in (({"format": "csv"}, "*/*"), ({}, "text/csv")):
        answer = await kept.get(
            "/v1/usage", params=params | {"by": "key,day"}, headers=of(ALICE) | {"accept": accept}
        )
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"] == 'attachment; filename="usage.csv"'
        assert answer.headers["x-hyperbridge-prices"] == "2026-10-07"
        head, row = csv.reader(io.StringIO(answer.text))
        assert (head[0], row[0], row[2]) == ("key", "alice", "1")


async def test_the_answer_is_what_the_document_says_of_it(kept):
    await kept.post(CHAT, json=BODY, headers=of(ALICE))
    for by in (",".join(COLUMNS), "day"):
        found = await told(kept, ALICE, 1, by=by)
        read = UsageReport.model_validate(found)
        assert read.model_dump(by_alias=True, exclude_unset=True) == found
        assert read.data[0].model_fields_set >= {*by.split(","), *Used.model_fields}


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_a_report_is_written_beside_the_loop_that_answers_calls(form):
    """Ten thousand rows take a tenth of a second, in which no call would go on."""
    rows = Noting((("2026-11-25",), Sums(1)) for _ in range(3))
    app = FastAPI()
    app.include_router(usage.router(SingleUser(), Reporter(Told(rows), 1.0, lambda: "2026-10-07")))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/v1/usage", params={"format": form})).status_code == 200
    assert rows.threads
    assert threading.get_ident() not in rows.threads


class Noting(list[Row]):
    """Rows that know which threads have looked through them."""

    def __init__(self, rows: Iterable[Row]) -> None:
        super().__init__(rows)
        self.threads: set[int] = set()

    def __iter__(self) -> Iterator[Row]:
        self.threads.add(threading.get_ident())
        return super().__iter__()


class Told:
    """A database that tells these rows whatever is asked."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    async def add(self, writer: str, sequence: int, batch: Batch) -> None:
        return

    async def report(self, query: Query) -> Sequence[Row]:
        return self._rows


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"by": "week"}, "by"),
        ({"from": "x"}, "from"),
        ({"to": "x"}, "to"),
        ({"format": "xml"}, "format"),
    ],
)
async def test_a_wrong_parameter_is_named(kept, params, param):
    answer = await kept.get("/v1/usage", params=params, headers=of(ALICE))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_without_a_key_nothing_is_told(kept):
    assert (await kept.get("/v1/usage")).status_code == 401


async def test_a_gateway_without_a_database_says_so(client):
    answer = await client.get("/v1/usage")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
    assert "store.url names no database" in answer.json()["error"]["message"]


async def test_what_answers_cost_is_in_the_log_and_in_the_metrics(kept, tmp_path):
    answer = await kept.post(CHAT, json=BODY | {"model": "priced"}, headers=of(ALICE))
    used = answer.json()["usage"]
    cost = (used["prompt_tokens"] * 100 + used["completion_tokens"] * 200) / 1_000_000
    await told(kept, ALICE, 1)
    metrics = (await kept.get("/metrics")).text
    [line] = [each for each in metrics.splitlines() if each.startswith("hyperbridge_cost_usd_total{")]
    assert 'model="priced",upstream="twin"' in line
    assert float(line.rpartition(" ")[2]) == pytest.approx(cost)
    assert f'"cost_usd":{cost}' in (tmp_path / "exchange.log").read_text()


def configured(folder: Path, twin: str, store: str, flush_seconds: float) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(
        twin_configuration(twin, f"store: {{url: '{store}', flush_seconds: {flush_seconds}}}\n"), "utf-8"
    )
    return path


async def ask(url: str, number: int) -> None:
    """So many calls over several connections, so that every worker has some."""
    async with contextlib.AsyncExitStack() as held:
        clients = [
            await held.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20)) for _ in range(8)
        ]
        answers = await asyncio.gather(*(clients[each % 8].post(CHAT, json=BODY) for each in range(number)))
    assert [answer.status_code for answer in answers] == [200] * number


def counted(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("SELECT coalesce(sum(requests), 0) FROM usage").fetchone()[0]
    return found


async def test_a_stop_loses_nothing_of_two_workers_that_start_together(upstream, tmp_path):
    path = configured(tmp_path, upstream[1], "sqlite:///usage.db", 3600)
    for round_ in range(1, 3):
        with serving(tmp_path, "--config", str(path), "--workers", "2") as (_, url):
            await ask(url, 60)
        assert counted(tmp_path / "usage.db") == 60 * round_
    errors = (tmp_path / "stderr").read_text()
    assert "Traceback" not in errors


async def test_a_stop_loses_nothing_with_postgresql(upstream, tmp_path):
    with postgresql() as server:
        path = configured(tmp_path, upstream[1], server.database(), 3600)
        with serving(tmp_path, "--config", str(path), "--workers", "2") as (_, url):
            await ask(url, 60)
        with serving(tmp_path, "--config", str(path)) as (_, url):
            async with httpx.AsyncClient(base_url=url) as client:
                await told(client, "", 60)
    assert "an-unused-password" not in (tmp_path / "stderr").read_text()


async def test_a_killed_gateway_loses_at_most_what_it_has_not_written_yet(upstream, tmp_path):
    path = configured(tmp_path, upstream[1], "sqlite:///usage.db", 0.5)
    answered: list[float] = []

    async def load(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            with contextlib.suppress(httpx.TransportError):
                while True:
                    await client.post(CHAT, json=BODY)
                    answered.append(time.monotonic())

    with serving(tmp_path, "--config", str(path)) as (process, url):
        loading = asyncio.ensure_future(load(url))
        await eventually(lambda: bool(answered), 20)
        await asyncio.sleep(4)
        killed = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        await loading
        process.wait()
    early = sum(moment < killed - 0.5 - 1 for moment in answered)  # a second for a machine that is busy
    assert 0 < early <= counted(tmp_path / "usage.db") <= len(answered) + 1


async def test_a_stop_while_streams_run_counts_them(upstream, tmp_path):
    path = configured(tmp_path, upstream[1], "sqlite:///usage.db", 3600)
    with serving(tmp_path, "--config", str(path)) as (process, url):
        async with (
            httpx.AsyncClient(base_url=url, timeout=20) as client,
            client.stream("POST", CHAT, json=BODY | {"stream": True}) as stream,
        ):
            process.send_signal(signal.SIGTERM)
            await stream.aread()
        process.wait(15)
    assert counted(tmp_path / "usage.db") == 1


@pytest.mark.parametrize(("workers", "signals"), [(1, 1), (1, 2), (2, 1)])
async def test_a_stop_whose_time_is_over_counts_what_still_runs_for_clients_that_do_not_read(
    upstream, tmp_path, workers, signals
):
    twin, twin_url = upstream
    path = tmp_path / "gateway.yaml"
    path.write_text(
        f"server: {{drain_seconds: {0.2 if signals == 1 else 60}}}\n"
        f'upstreams: {{twin: {{kind: openai, url: "{twin_url}"}}}}\n'
        "store: {url: 'sqlite:///usage.db', flush_seconds: 3600}\n"
    )
    model = "twin/twin?chunks=300000&gap=0"
    request = json.dumps({**BODY, "model": model, "stream": True, "max_tokens": 300_000}).encode()
    with (
        serving(tmp_path, "--config", str(path), "--workers", str(workers)) as (process, url),
        contextlib.ExitStack() as held,
    ):
        for _ in range(3):
            held.enter_context(deaf(url, request))
        await standing(lambda: sum(seen.sent_tokens for seen in twin.seen))
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)  # the process above looks for signals a few times a second
        assert await asyncio.to_thread(process.wait, 15) == 0
    assert counted(tmp_path / "usage.db") == 3
    errors = (tmp_path / "stderr").read_text()
    assert errors.count('"outcome":"stopping"') == 3
    assert "Exception in ASGI application" not in errors


@contextlib.contextmanager
def deaf(url: str, request: bytes) -> Generator[None]:
    """A client that sends this and reads nothing of its answer."""
    where = urlsplit(url)
    assert where.hostname is not None
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((where.hostname, where.port))
        head = f"POST {CHAT} HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(request)}\r\n\r\n".encode() + request)
        yield


async def standing(number: Callable[[], int]) -> None:
    """Until a number that has risen does so no more for a while: all buffers are full."""
    end, last, since = time.monotonic() + 30, 0, time.monotonic()
    while not last or time.monotonic() - since < 0.5:
        assert time.monotonic() < end, last
        await asyncio.sleep(0.05)
        if number() != last:
            last, since = number(), time.monotonic()


async def test_while_the_database_is_gone_calls_are_answered_and_counted_later(upstream, tmp_path):
    with postgresql() as server:
        path = configured(tmp_path, upstream[1], server.database(), 0.1)
        with serving(tmp_path, "--config", str(path)) as (_, url):
            async with httpx.AsyncClient(base_url=url, timeout=20) as client:
                await client.post(CHAT, json=BODY)
                await told(client, "", 1)
                server.stop()
                await ask(url, 20)
                await checked(client, "degraded")
                gone = await client.get("/v1/usage")
                assert (gone.status_code, gone.json()["error"]["code"]) == (503, "store_unavailable")
                await shown(client, "hyperbridge_ledger_unwritten_requests 20.0")
                server.start()
                await checked(client, "healthy")
                found = await told(client, "", 21)
                assert found["total"]["requests"] == 21
    assert (tmp_path / "stderr").read_text().count("usage cannot be written") == 1


async def shown(client: httpx.AsyncClient, line: str) -> None:
    """Until the metrics say so: what waits is told at the next try to write it."""
    end = time.monotonic() + 10
    while line not in (await client.get("/metrics")).text:
        assert time.monotonic() < end, line
        await asyncio.sleep(0.05)


async def checked(client: httpx.AsyncClient, state: str) -> None:
    """Until health says so of the database."""
    end = time.monotonic() + 10
    while True:
        checks = {each["name"]: each for each in (await client.get("/healthz")).json()["checks"]}
        if checks["store"]["state"] == state:
            return
        assert time.monotonic() < end, checks["store"]
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("sqlite:///missing/usage.db", "store.url: the file cannot be opened (No such file or directory)"),
        (
            "postgresql://u:geheim@127.0.0.1:1/n",
            "store.url: PostgreSQL cannot be reached (Connection refused)",
        ),
    ],
)
def test_a_gateway_whose_database_cannot_be_opened_does_not_start(tmp_path, store, said):
    path = configured(tmp_path, "http://127.0.0.1:1/v1", store, 1)
    with serving(tmp_path, "--config", str(path)) as (process, _):
        assert process.wait(20) != 0
    errors = (tmp_path / "stderr").read_text()
    assert said in errors
    assert "Traceback" not in errors
    assert "geheim" not in errors


async def test_a_short_lived_key_sees_no_usage_and_is_counted_for_the_key_that_made_it(kept):
    made = await kept.post("/v1/keys/ephemeral", json={"models": ["words"]}, headers=of(ALICE))
    assert made.status_code in {200, 201}, made.text
    visitor = made.json()["key"]
    assert (await kept.post(CHAT, json=BODY, headers=of(visitor))).status_code == 200
    answer = await kept.get("/v1/usage", headers=of(visitor))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "usage_not_allowed")
    found = await told(kept, ALICE, 1, by="key")
    assert [row["key"] for row in found["data"]] == ["alice"]
