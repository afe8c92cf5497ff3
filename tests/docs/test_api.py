"""docs/api.md says what the code does: endpoints, headers, errors, timeouts, bounds."""

from collections.abc import Iterable, Iterator
from dataclasses import fields

from adapters import http1
from adapters.demo import Demo
from adapters.openai_http import MAX_HELD_BYTES, PASSED_ON
from app import config, errors, protocol, server, sse, wire
from app.config.upstreams import OPENAI_OPERATIONS
from app.configuration import Origin
from app.contracts import Timeouts
from app.door import SHOWN_TO_PAGES
from app.main import create_app
from app.operations import OPERATIONS
from app.relay import FORWARDED
from app.sink import Sink
from routers import bodies
from tests.docs.pages import API, codes, prose, tables
from tests.support.process import ROOT

KINDS = {"string": "a string", "array": "an array", "object": "an object", "text": "a string or an array"}
OUTSIDE_THE_DOCUMENT = {("GET", "/docs"), ("GET", "/openapi.json")}
DEFAULT = ROOT / "hyperbridge.yaml"


def paragraph(beginning: str) -> str:
    return next(each for each in prose(API).split("\n\n") if each.startswith(beginning))


def names(headers: Iterable[bytes]) -> set[str]:
    return {header.decode() for header in headers}


def raised(kind: type[errors.Failure]) -> Iterator[type[errors.Failure]]:
    """The failures that are raised: all but the two that only stand for others."""
    if kind not in {errors.Failure, errors.UpstreamFailure}:
        yield kind
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from raised(each)


def test_the_endpoints_are_those_of_the_document():
    document = create_app(config.load(DEFAULT, {}), Sink(2), Origin(DEFAULT)).surface.openapi()

    served = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    [rows] = tables(API, "## Endpoints")
    assert {(row[0], row[1].strip("`")) for row in rows} == served | OUTSIDE_THE_DOCUMENT


def test_the_operations_are_described_as_they_are():
    [rows] = tables(API, "## Endpoints")

    assert [row[1:] for row in rows if row[2].startswith("`")] == [
        [
            f"`{path}`",
            f"`{operation.name}`",
            ", ".join(f"`{name}`: {KINDS[kind]}" for name, kind in operation.required.items()) or "none",
            "yes" if operation.streams else "no",
        ]
        for path, operation in OPERATIONS.items()
    ]


def test_the_error_table_is_the_tree_of_failures():
    [rows] = tables(API, "## Errors")

    expected = {}
    for kind in raised(errors.Failure):
        status, code = str(kind.status), "null" if kind.code is None else f"`{kind.code}`"
        if issubclass(kind, errors.UpstreamRefused):
            status, code = "the upstream's 4xx", "the upstream's, or null"
        expected[f"`{kind.__new__(kind).kind}`"] = [status, f"`{kind.type}`", code]
    assert {row[0]: row[1:4] for row in rows} == expected
    assert all(row[4] for row in rows)


def test_the_headers_that_pass_are_named():
    up, added = tables(API, "## Headers")

    assert {code for row in up for code in codes(row[0])} == names(FORWARDED) | {"x-request-id"}
    down, _, with_errors = paragraph("From the upstream to the client go").partition(";")
    assert set(codes(down)) == names(PASSED_ON)
    assert codes(with_errors) == ["retry-after"]
    assert set(codes(paragraph("Pages from"))) == {"server.cors_origins", *SHOWN_TO_PAGES}
    assert {"`x-hyperbridge-upstream`", "`x-hyperbridge-model`", "`x-hyperbridge-attempts`"} <= {
        row[0] for row in added
    }


def test_the_timeouts_are_those_of_the_contract():
    [rows] = tables(API, "## Timeouts")

    assert [row[0] for row in rows] == [f"`{field.name}`" for field in fields(Timeouts)]


def test_the_bounds_are_those_of_the_code():
    settings = config.load(DEFAULT, {}).server
    [rows] = tables(API, "## Bounds")

    assert {row[0]: row[1].split(" (")[0] for row in rows} == {
        "request line and headers": f"{protocol.MAX_HEAD_BYTES >> 10} KiB",
        "request body": f"{settings.max_body_bytes >> 20} MiB",
        "members of a request": f"{wire.MAX_MEMBERS}",
        "a client that stops sending its request": f"{settings.client_gap_seconds:g} seconds",
        "a client that stops reading its answer": "the same",
        "objects and arrays in each other": f"{settings.max_depth} deep",
        "messages of a request": f"{settings.max_messages}",
        "tokens of a prompt": "any number" if settings.max_prompt_tokens is None else "",
        "a body for `/admin/keys` or `/v1/keys/ephemeral`": f"{bodies.MAX_BYTES >> 10} KiB",
        "a body for `/v1/scenes`": f"{bodies.MAX_TEXT_BYTES >> 20} MiB; {bodies.MAX_BYTES >> 10} KiB for `/v1/scenes/search`",
        "a model's name": f"{wire.MAX_MODEL_LENGTH} characters",
        "an answer that is not a stream": f"{settings.max_answer_bytes >> 20} MiB",
        "an upstream's headers": f"{http1.MAX_HEAD_BYTES >> 10} KiB",
        "one event of a stream": f"{sse.MAX_EVENT_BYTES >> 20} MiB",
        "connections to one server of an upstream": str(
            config.OpenAI.model_fields["max_connections"].default
        ),
        "an unused connection of a client": f"{server.KEEP_ALIVE_SECONDS} seconds",
    }
    assert f"(or {MAX_HELD_BYTES >> 10} KiB)" in prose(API)


def test_the_kinds_of_upstreams_speak_what_is_said():
    [rows] = tables(ROOT / "docs/upstreams.md", "## Kinds")

    spoken = {row[0].strip("`"): row[2] for row in rows}
    openai = ", ".join(OPENAI_OPERATIONS)
    assert (spoken["nebius"], spoken["openai"]) == (openai, openai)
    assert config.Nebius.model_fields["speaks"].default == OPENAI_OPERATIONS
    assert config.OpenAI.model_fields["speaks"].default == OPENAI_OPERATIONS
    everything = {operation.name for operation in OPERATIONS.values()}
    assert (spoken["vllm"], spoken["demo"]) == ("everything", "everything")
    assert set(config.Vllm.model_fields["speaks"].default) == Demo.operations == everything
