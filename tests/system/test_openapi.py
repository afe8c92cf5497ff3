"""The document says what the gateway does: no 500, no status and no shape that it does not name."""

import json
import re
from collections.abc import Generator
from hashlib import sha256
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from schemathesis.core.result import Ok

from app import config
from app.configuration import Origin
from app.main import create_app
from app.sink import Sink
from app.wire import OWN_MEMBERS
from tests.support.gateway import served
from tests.support.process import ROOT, serving

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
CONVERSATION = {"messages": [{"role": "user", "content": "2 + 3"}]}
GOOD: dict[str, dict] = {
    "/v1/chat/completions": CONVERSATION,
    "/v1/route": CONVERSATION,
    "/v1/scenes/encode": CONVERSATION,
    "/v1/completions": {"prompt": "Hello"},
    "/v1/embeddings": {"input": ["a", "b"]},
    "/v1/responses": {"input": "Hello"},
    "/v1/messages": CONVERSATION | {"max_tokens": 20},
    "/v1/messages/count_tokens": CONVERSATION,
    "/v1/rerank": {"query": "a", "documents": ["a", "b"]},
    "/tokenize": {"prompt": "Hello"},
    "/detokenize": {"tokens": []},
}
NEVER_BY_CHANCE = frozenset({
    "POST /admin/loras/{upstream}/load",
    "POST /admin/loras/{upstream}/unload",
    "POST /admin/loras/{upstream}/pin",
    "POST /admin/loras/{upstream}/roll",
    "POST /admin/configuration/diff",
    "PUT /admin/configuration/file",
    "POST /admin/configuration/rollback",
})
"""A random name is none, and a random text no configuration; here no upstream has adapters."""
ADMIN = "hb-admin-0001"
KEY = {"authorization": f"Bearer {ADMIN}"}
KEYS = f'keys: [{{id: admin, sha256: {sha256(ADMIN.encode()).hexdigest()}, models: ["*"], admin: true}}]'

settings_shown = config.load(ROOT / "hyperbridge.yaml", {}).model_copy(
    update={"store": config.Store(url=None)}  # it keeps nothing: its database would stand in the repository
)
surface = create_app(settings_shown, Sink(2), Origin(ROOT / "hyperbridge.yaml")).surface
document = schemathesis.openapi.from_dict(surface.openapi())


@document.hook
def map_body(context, body: Any) -> Any:
    """A random name is no model: half of the requests ask for one that is there, with what it needs."""
    if isinstance(body, dict) and isinstance(body.get("model"), str) and len(body["model"]) % 2:
        known = {name: value for name, value in body.items() if name not in OWN_MEMBERS}
        return known | GOOD[context.operation.path] | {"model": "demo"}
    return body


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("openapi")
    (folder / "models").symlink_to(ROOT / "models")
    path = folder / "hyperbridge.yaml"
    path.write_text(f"{(ROOT / 'hyperbridge.yaml').read_text('utf-8')}\n{KEYS}\n", "utf-8")
    with serving(folder, "--config", str(path)) as (_, running):
        yield running


@pytest.mark.parametrize(
    "operation",
    [each.ok() for each in document.get_all_operations() if isinstance(each, Ok)],
    ids=lambda each: each.label,
)
def test_whatever_is_asked_the_answer_is_one_that_the_document_names(operation, url):
    @given(case=operation.as_strategy())
    @settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck), deadline=None)
    def ask(case: Any) -> None:
        answer = case.call_and_validate(base_url=url, headers=KEY, checks=CHECKS)
        statuses.add(answer.status_code)

    statuses: set[int] = set()
    ask()
    assert 401 not in statuses
    assert 200 in statuses or "{id}" in operation.path or operation.label in NEVER_BY_CHANCE


async def test_every_reference_of_the_document_leads_somewhere(client):
    document = (await client.get("/openapi.json")).json()

    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named == named & document["components"]["schemas"].keys()


async def test_every_operation_is_described_with_its_request_and_its_stream(client):
    paths = (await client.get("/openapi.json")).json()["paths"]

    chat = paths["/v1/chat/completions"]["post"]
    assert chat["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/ChatRequest")
    assert set(chat["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert {"400", "401", "404", "413", "429", "502", "504"} <= chat["responses"].keys()


@pytest.mark.parametrize("stream", [False, True])
async def test_the_surface_answers_a_model_call_without_the_door_too(stream):
    asked = {"model": "demo", "messages": [{"role": "user", "content": "2 + 3"}], "stream": stream}
    async with served(surface) as behind, httpx.AsyncClient(base_url=behind) as client:
        answer = await client.post("/v1/chat/completions", json=asked)

    assert answer.status_code == 200
    assert "5" in answer.text
    assert answer.headers["x-request-id"]


async def test_the_page_of_the_document_takes_nothing_from_elsewhere(client):
    page = (await client.get("/docs")).text

    fetched = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(fetched) == 3
    for path in fetched:
        assert path.startswith("/")
        assert (await client.get(path)).status_code == 200
