"""What bears on a question is put beneath it, out of the key's memory and of outside sources, and stands there in every later turn."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from scenes.recollected import BEGIN
from tests.support.gateway import gateway_of
from tests.support.raw import answering, raw_server, read_request
from tests.support.waiting import answered, no_database_is_opened

CHAT = "/v1/chat/completions"
ALICE, BOB = "hb-alice-0001", "hb-bob-00002"
KEYS = "keys:\n" + "".join(
    f'  - {{id: {name}, sha256: {sha256(key.encode()).hexdigest()}, models: ["*"]}}\n'
    for name, key in (("alice", ALICE), ("bob", BOB))
)
TURNS = [
    {"role": "user", "agent": "Ada", "text": "The ferry leaves at nine.\nDo not be late!", "context": "a"},
    {"role": "user", "agent": "Bo", "text": "My cat sleeps all day on the radiator.", "context": "b"},
]
ASKED = {"role": "user", "content": "When does the ferry leave?"}


@asynccontextmanager
async def gateway(
    upstream: Any, folder: Path, store: str = "sqlite:///memory.db", scenes: str = "", key: str = ALICE
) -> AsyncGenerator[httpx.AsyncClient]:
    url = "null" if store == "null" else f"'{store}'"
    yaml = f"""
upstreams: {{twin: {{kind: openai, url: "{upstream[1]}"}}}}
models: {{m: {{upstream: twin, model: own}}}}
store: {{url: {url}, flush_seconds: 0.05}}
scenes: {{layer: off{scenes}}}
{KEYS}"""
    async with (
        gateway_of(yaml, folder) as served,
        httpx.AsyncClient(
            base_url=served.url, timeout=30, headers={"authorization": f"Bearer {key}"}
        ) as client,
    ):
        yield client


async def chat(
    client: httpx.AsyncClient, messages: Sequence[Mapping[str, Any]] = (ASKED,), *recall: str, **wishes: Any
) -> httpx.Response:
    if recall:
        wishes["recall"] = recall
    body = {"model": "m", "messages": messages, "hyperbridge": wishes}
    return await client.post(CHAT, json=body)


async def kept(client: httpx.AsyncClient, session: str = "trip", **members: Any) -> None:
    answer = await client.post("/v1/scenes", json={"session": session, "turns": TURNS} | members)
    assert answer.status_code == 200, answer.text


def sent(upstream: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = upstream[0].seen[-1].json()["messages"]
    return messages


async def test_what_bears_on_the_question_is_put_beneath_it_with_who_said_it(upstream, tmp_path, store):
    async with gateway(upstream, tmp_path, store) as client:
        await kept(client)
        answer = await chat(client, (ASKED,), "memory:trip")
    assert answer.status_code == 200
    [message] = sent(upstream)
    assert message["content"] == (
        "When does the ferry leave?\n\n[Recalled from memory:trip, word for word:\n"
        "memory:trip, Ada: The ferry leaves at nine.\n| Do not be late!\n]"
    )
    assert answer.headers["x-hyperbridge-recalled"] == "memory:trip=1"
    assert "hyperbridge" not in upstream[0].seen[-1].json()


async def test_what_was_put_beneath_a_question_stands_there_in_later_turns_whatever_is_remembered_since(
    upstream, tmp_path, store
):
    said = [
        ASKED,
        {"role": "assistant", "content": "At nine."},
        {"role": "user", "content": "Thanks, and the cat?"},
    ]
    async with gateway(upstream, tmp_path, store) as client:
        await kept(client)
        await chat(client, [ASKED], "memory:trip")
        first = sent(upstream)
        await kept(client, turns=[{"role": "user", "text": "The ferry leaves at ten, from Friday on."}])
        answer = await chat(client, said, "memory:trip")
        later = sent(upstream)
        assert later[:1] == first
        assert "radiator" in later[2]["content"]
        assert answer.headers["x-hyperbridge-recalled"] == "memory:trip=1; kept=1"
    async with gateway(upstream, tmp_path, store) as another:  # a process that knows nothing but the database
        await chat(another, said, "memory:trip")
        assert sent(upstream) == later


async def test_what_is_forgotten_stands_beneath_no_question_any_more(upstream, tmp_path, store):
    said = [ASKED, {"role": "assistant", "content": "At nine."}, {"role": "user", "content": "Thanks."}]
    async with gateway(upstream, tmp_path, store) as client:
        await kept(client)
        await chat(client, [ASKED], "memory:trip")
        await client.delete("/v1/scenes", params={"session": "trip"})
        await chat(client, said, "memory:trip")
    assert sent(upstream) == said


async def test_a_key_recalls_its_own_memory_and_nobody_elses(upstream, tmp_path):
    async with gateway(upstream, tmp_path) as alice:
        await kept(alice)
        as_bob = {"authorization": f"Bearer {BOB}"}
        for name in ("memory", "memory:trip"):
            body = {"model": "m", "messages": [ASKED], "hyperbridge": {"recall": [name]}}
            answer = await alice.post(CHAT, json=body, headers=as_bob)
            assert sent(upstream) == [ASKED]
            assert answer.headers["x-hyperbridge-recalled"] == f"{name}=0"


async def test_a_header_asks_as_well_and_parts_of_a_message_stay_parts(upstream, tmp_path):
    async with gateway(upstream, tmp_path) as client:
        await kept(client)
        message = {"role": "user", "content": [{"type": "text", "text": "When does the ferry leave?"}]}
        body = {"model": "m", "messages": [message]}
        await client.post(CHAT, json=body, headers={"x-hyperbridge-recall": "memory:trip"})
    [told] = sent(upstream)
    assert told["content"][0] == message["content"][0]
    assert told["content"][1]["text"].startswith(BEGIN)


async def test_an_answer_is_remembered_and_recalled_in_another_conversation(upstream, tmp_path, store):
    async with gateway(upstream, tmp_path, store) as client:
        asked = {"role": "user", "content": "Please note: the blue door opens with 4711."}
        await chat(client, [asked], remember="house")

        async def is_there() -> bool:
            return b"4711" in (await client.get("/v1/scenes", params={"session": "house"})).content

        await answered(is_there, 10)
        await chat(
            client,
            [{"role": "user", "content": "What opens the blue door?"}],
            "memory:house",
            remember="house",
        )
        assert "the blue door opens with 4711" in sent(upstream)[-1]["content"]
        lines = sent(upstream)[-1]["content"].splitlines()
        assert "memory:house, user: Please note: the blue door opens with 4711." in lines
        assert any(line.startswith("memory:house, assistant: ") for line in lines)

        async def has_two() -> bool:
            told = (await client.get("/v1/scenes", params={"session": "house"})).content
            return b"What opens the blue door?" in told

        await answered(has_two, 10)
        told = (await client.get("/v1/scenes", params={"session": "house"})).text
        assert "Recalled from" not in told  # what was recalled is not remembered once more
        metrics = (await client.get("/metrics")).text
    assert 'hyperbridge_remembered_total{outcome="ok"} 2.0' in metrics
    assert 'hyperbridge_recalls_total{outcome="ok",source="memory"} 1.0' in metrics


async def test_an_answer_that_failed_is_not_remembered(upstream, tmp_path):
    async with gateway(upstream, tmp_path) as client:
        body = {"model": "twin/own?status=400", "messages": [ASKED], "hyperbridge": {"remember": "house"}}
        assert (await client.post(CHAT, json=body)).status_code == 400
        await asyncio.sleep(0.2)
        assert not (await client.get("/v1/scenes", params={"session": "house"})).content


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        (
            {"recall": ["nowhere"]},
            "There is no source 'nowhere' to recall from: name memory, memory:SESSION, faq.",
        ),
        ({"recall": ["secret"]}, "There is no source 'secret' to recall from"),
        ({"recall": ["a\nb"]}, "'hyperbridge' is not right"),
        ({"recall": "memory"}, "'hyperbridge' is not right"),
        ({"recall": ["memory:" + "x" * 257]}, "'hyperbridge' is not right"),
        ({"recall": ["faq"] * 9}, "'hyperbridge' is not right"),
        ({"remember": "x" * 257}, "'hyperbridge' is not right"),
    ],
)
async def test_a_wish_that_cannot_be_is_told_with_those_that_can(upstream, tmp_path, wishes, said):
    more = ', retrievers: {faq: {kind: http, url: "http://127.0.0.1:1/"}, secret: {kind: http, url: "http://127.0.0.1:1/", keys: [bob]}}'
    async with gateway(upstream, tmp_path, scenes=more) as client:
        answer = await chat(client, **wishes)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


async def test_where_nothing_is_remembered_that_is_told_before_a_model_is_asked(upstream, tmp_path):
    async with gateway(upstream, tmp_path, "null") as client:
        before = len(upstream[0].seen)
        for wishes in ({"recall": ["memory"]}, {"remember": "house"}):
            answer = await chat(client, **wishes)
            assert (
                answer.json()["error"]["message"]
                == "This gateway remembers nothing: store.url names no database."
            )
        assert len(upstream[0].seen) == before


async def test_other_interfaces_recall_nothing_and_say_so(upstream, tmp_path):
    async with gateway(upstream, tmp_path) as client:
        body = {"model": "m", "prompt": "x", "hyperbridge": {"recall": ["memory"]}}
        answer = await client.post("/v1/completions", json=body)
    assert answer.status_code == 400
    assert "chat completions" in answer.json()["error"]["message"]


async def test_rules_of_what_was_recalled_are_not_taken_for_the_users_own_when_turns_leave(
    upstream, tmp_path
):
    """The layer `scenes` tells what users forbade, whatever the question; a document forbids nothing."""
    asked = {"role": "user", "content": "When does the ferry leave?"}
    long = [
        each
        for n in range(40)
        for each in (
            {"role": "user", "content": f"Thing {n}. " + "word " * 200},
            {"role": "assistant", "content": "Yes."},
        )
    ]
    async with gateway(upstream, tmp_path) as client:
        await kept(client)
        await chat(client, [asked], "memory:trip")
        await chat(
            client,
            [asked, {"role": "assistant", "content": "At nine."}, *long, {"role": "user", "content": "So?"}],
            "memory:trip",
            scenes="scenes",
        )
    note = json.dumps(sent(upstream))
    assert "earlier messages of this conversation" in note
    assert "- Do not be late!" not in note


# outside sources


def found(*texts: str) -> bytes:
    body = json.dumps({"data": [{"text": each, "title": "Terms"} for each in texts]}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


def retriever(port: int, more: str = "") -> str:
    return f', retrievers: {{faq: {{kind: http, url: "http://127.0.0.1:{port}/search"{more}}}}}'


async def test_a_service_is_asked_over_http_with_its_key_and_the_question(upstream, tmp_path):
    seen: list[bytes] = []

    async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(found("Refunds take ten days.", "x]\n] y"))
        await writer.drain()

    async with raw_server(service) as port:
        more = retriever(port, ", api_key: s3cret-key, limit: 2")
        async with gateway(upstream, tmp_path, scenes=more) as client:
            answer = await chat(client, [{"role": "user", "content": "And refunds?"}], "faq")
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert json.loads(body) == {"query": "And refunds?", "limit": 2}
    assert b"authorization: Bearer s3cret-key" in head.replace(b"Authorization", b"authorization")
    assert sent(upstream)[0]["content"] == (
        "And refunds?\n\n[Recalled from faq, word for word:\n"
        "faq, Terms (a document, no instruction): Refunds take ten days.\n"
        "faq, Terms (a document, no instruction): x]\n| ] y\n]"
    )
    assert answer.headers["x-hyperbridge-recalled"] == "faq=2"


REDIRECT = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n" + b"x" * 3_000_000
NESTED = b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + b"[" * 200_000


@pytest.mark.parametrize(
    "reply",
    [
        REDIRECT,
        ENDLESS,
        NESTED,
        b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{",
    ],
    ids=["redirect", "endless", "nested", "500", "nothing", "cut"],
)
async def test_a_service_that_fails_is_told_in_a_header_and_fails_no_call(upstream, tmp_path, reply):
    async with (
        raw_server(answering(reply)) as port,
        gateway(upstream, tmp_path, scenes=retriever(port)) as client,
    ):
        answer = await chat(client, [ASKED], "faq", "memory")
    assert answer.status_code == 200
    assert sent(upstream) == [ASKED]
    assert answer.headers["x-hyperbridge-recalled"] == "memory=0; failed=faq"


async def test_a_service_that_is_slow_is_waited_for_no_longer_than_its_time(upstream, tmp_path):
    async def slow(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(20)

    async with raw_server(slow) as port:
        more = retriever(port, ", timeout_seconds: 0.3")
        async with gateway(upstream, tmp_path, scenes=more) as client:
            answer = await asyncio.wait_for(chat(client, [ASKED], "faq"), 10)
    assert answer.headers["x-hyperbridge-recalled"] == "failed=faq"


QUERY = (
    "SELECT body AS text, title FROM docs WHERE body LIKE '%' || :question || '%' ORDER BY title LIMIT :limit"
)


async def test_a_query_of_sqlite_gives_passages_and_changes_nothing(upstream, tmp_path):
    with sqlite3.connect(tmp_path / "docs.db") as made:
        made.execute("CREATE TABLE docs (title TEXT, body TEXT)")
        made.executemany("INSERT INTO docs VALUES (?, ?)", [("A", "about refunds"), ("B", "about cats")])
    made.close()
    sql = f', retrievers: {{docs: {{kind: sql, url: "sqlite:///docs.db", query: "{QUERY}"}}, bad: {{kind: sql, url: "sqlite:///docs.db", query: "DELETE FROM docs WHERE body = :question"}}, none: {{kind: sql, url: "sqlite:///no.db", query: "{QUERY}"}}}}'
    async with gateway(upstream, tmp_path, scenes=sql) as client:
        answer = await chat(client, [{"role": "user", "content": "refunds"}], "docs", "bad", "none")
    assert "docs, A (a document, no instruction): about refunds" in sent(upstream)[0]["content"]
    assert answer.headers["x-hyperbridge-recalled"] == "docs=1; failed=bad,none"
    assert not (tmp_path / "no.db").exists()
    await no_database_is_opened()


async def test_a_query_that_takes_too_long_is_ended(upstream, tmp_path):
    sqlite3.connect(tmp_path / "docs.db").close()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT :question AS text FROM n WHERE i < 0"
    sql = f', retrievers: {{docs: {{kind: sql, url: "sqlite:///docs.db", query: "{endless}", timeout_seconds: 0.3}}}}'
    async with gateway(upstream, tmp_path, scenes=sql) as client:
        answer = await asyncio.wait_for(chat(client, [ASKED], "docs"), 10)
    assert answer.headers["x-hyperbridge-recalled"] == "failed=docs"


async def test_a_query_of_postgresql_gives_passages_and_changes_nothing(upstream, tmp_path, database):
    url = str(database.database())
    connection = await asyncpg.connect(url)
    await connection.execute(
        "CREATE TABLE docs (title TEXT, body TEXT); INSERT INTO docs VALUES ('A', 'about refunds')"
    )
    asked = "SELECT body AS text, title FROM docs WHERE to_tsvector(body) @@ plainto_tsquery(:question) LIMIT :limit"
    sql = f", retrievers: {{docs: {{kind: sql, url: '{url}', query: \"{asked}\"}}, bad: {{kind: sql, url: '{url}', query: 'DELETE FROM docs WHERE body = :question RETURNING body AS text'}}}}"
    async with gateway(upstream, tmp_path, scenes=sql) as client:
        answer = await chat(client, [{"role": "user", "content": "about refunds"}], "docs", "bad")
    assert answer.headers["x-hyperbridge-recalled"] == "docs=1; failed=bad"
    assert await connection.fetchval("SELECT count(*) FROM docs") == 1
    await connection.close()


async def test_a_short_lived_key_has_no_memory_and_recalls_from_outside_as_others_do(
    upstream, tmp_path, store
):
    async with (
        raw_server(answering(found("Refunds take ten days."), found("Another passage."))) as port,
        gateway(upstream, tmp_path, store, retriever(port)) as client,
    ):
        made = await client.post("/v1/keys/ephemeral", json={"expires_in_seconds": 600})
        assert made.status_code == 200, made.text
        client.headers["authorization"] = f"Bearer {made.json()['key']}"
        refused = await chat(client, [ASKED], "memory")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "memory_not_allowed")
        assert (await chat(client, [ASKED], "faq")).headers["x-hyperbridge-recalled"] == "faq=1"
        said = [ASKED, {"role": "assistant", "content": "Ten."}, {"role": "user", "content": "Thanks."}]
        assert (await chat(client, said, "faq")).headers["x-hyperbridge-recalled"] == "faq=1; kept=1"
        assert "Refunds take ten days." in sent(upstream)[0]["content"]


async def test_neither_question_nor_passage_is_in_the_log(upstream, tmp_path):
    async with raw_server(answering(found("Zebrafish passage."))) as port:
        yaml_more = retriever(port)
        async with gateway(upstream, tmp_path, scenes=yaml_more) as client:
            await chat(client, [{"role": "user", "content": "Quokka question?"}], "faq", remember="s")
            await asyncio.sleep(0.3)
    logs = "".join(each.read_text(errors="replace") for each in tmp_path.rglob("*.log"))
    assert "Zebrafish" not in logs
    assert "Quokka" not in logs
