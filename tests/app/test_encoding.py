"""Which prompts get codes, in what order things leave them, and what of them no upstream sees."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any, cast

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from app import config
from app.codecs.identity import Identity
from app.codecs.memo import Memo
from app.codecs.methods import Methods
from app.codecs.scenes import Scenes, Shortened
from app.codecs.vocabularies import Vocabularies
from app.contracts import Encoded, Layer, Route
from app.encoding import Encoding, Threads
from app.errors import BadRequest
from app.operations import CHAT, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RERANK, RESPONSES, TOKENIZE, Operation
from app.scene_metrics import SceneMetrics
from scenes.remembering import Plan, Remembering
from tests.routing.asking import call
from tests.scenes.phrases import repeated

FIRST, LATER = repeated(5), repeated(6).replace("warehouse", "storehouse OslO")
ROUTE = Route("u", "m", "alias", "test")


def encoding(
    threads: Threads | None = None, registry: CollectorRegistry | None = None, **settings: Any
) -> Encoding:
    wanted, vocabularies = config.Scenes(**settings), Vocabularies()
    scenes = Scenes(Methods(wanted, vocabularies).of, Memo(10_000_000))
    metrics = SceneMetrics(registry or CollectorRegistry())
    remembering = Remembering(Plan())
    return Encoding(scenes, wanted, remembering, threads or Threads(), metrics, vocabularies=vocabularies)


def said(
    body: Mapping[str, object], layer: Layer = "codebook", route: Route = ROUTE, **settings: Any
) -> Shortened:
    asked = call(body)
    return asyncio.run(encoding(**settings).tried(asked, route, asked.request, layer))


def sent(body: Mapping[str, object], layer: Layer, operation: Operation = CHAT, **settings: Any) -> Encoded:
    asked = call({"hyperbridge": {"scenes": layer}, **body}, operation)
    return asyncio.run(encoding(**settings).encode(asked, ROUTE, asked.request))


def chat(*messages: Mapping[str, object], **members: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": "Why?"}, *messages], **members}


def tool(text: str) -> dict[str, object]:
    return {"role": "tool", "tool_call_id": "c", "content": text}


def messages_of(each: Shortened) -> bytes:
    return (each.request.members.raw("messages") or b"").removesuffix(b"]")


@pytest.mark.parametrize("stop", ["Observation:", ["OslO:"], [" "]])
def test_a_call_with_stop_strings_has_no_codes_from_its_first_turn_on(stop):
    before, after = said(chat(tool(FIRST), stop=stop)), said(chat(tool(FIRST), tool(LATER), stop=stop))

    assert messages_of(after).startswith(messages_of(before))
    assert (before.saving.why, after.saving.why) == ("stop", "stop")
    assert not before.phrases
    assert not after.phrases


@pytest.mark.parametrize("stop", [None, [], ""])
def test_a_call_that_names_no_stop_string_has_codes(stop):
    assert said(chat(tool(FIRST), stop=stop)).phrases


def test_a_hundred_thousand_stop_strings_are_not_looked_through():
    stops = [f"stop{number}" for number in range(100_000)]
    assert said(chat(tool(FIRST), stop=stops)).saving.why == "stop"


@pytest.mark.parametrize(
    ("defaults", "why"),
    [({"logprobs": b"true"}, "logprobs"), ({"stop": b'["warehouse"]'}, "stop"), ({"stop": b"[ ]"}, "")],
)
def test_what_a_routes_defaults_set_is_asked_about_too(defaults, why):
    route = Route("u", "m", "alias", "test", defaults=defaults)
    assert said(chat(tool(FIRST)), route=route).saving.why == why
    asked = chat(tool(FIRST), logprobs=False, stop=None)
    assert said(asked, route=route).saving.why == "", "the client's own value wins"


def test_an_answer_that_a_default_makes_json_is_undone_as_json():
    route = Route("u", "m", "alias", "test", defaults={"response_format": b'{"type":"json_object"}'})
    asked = call({"hyperbridge": {"scenes": "codebook"}, **chat(tool(FIRST))})
    encoded = asyncio.run(encoding().encode(asked, route, asked.request))
    assert cast("Any", encoded.decoder)._undoing.is_json


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (EMBEDDINGS, {"input": "x"}),
        (RERANK, {"query": "x", "documents": ["a"]}),
        (TOKENIZE, {"prompt": "x"}),
        (RESPONSES, {"input": "x"}),
        (MESSAGES, {"messages": [{"role": "user", "content": "x"}]}),
        (COUNT_TOKENS, {"messages": [{"role": "user", "content": "x"}]}),
    ],
)
def test_strict_refuses_no_interface(operation, body):
    encoded = sent({"model": "m", **body}, "codebook", operation, strict=True)
    assert isinstance(encoded.decoder, Identity) is (operation.dialect == "plain")


def test_strict_refuses_stop_strings():
    with pytest.raises(BadRequest, match="stop"):
        said(chat(stop=["x"]), strict=True)


@pytest.mark.parametrize(("stop", "layers"), [(None, ["codebook", "safe"]), ("x", ["safe"])])
def test_what_codes_would_save_is_measured_of_calls_that_may_have_some(stop, layers):
    threads, registry = Threads(), CollectorRegistry()
    asked = call(chat(tool(FIRST), stop=stop))
    asyncio.run(encoding(threads, registry, sample=1.0).encode(asked, ROUTE, asked.request))
    threads._pool.shutdown(wait=True)
    name, found = "hyperbridge_scene_seconds_count", {"sent": "no"}
    assert [
        layer for layer in ("codebook", "safe") if registry.get_sample_value(name, {"layer": layer, **found})
    ] == layers


def marked(text: str) -> dict[str, object]:
    return {"type": "text", "text": text, "hyperbridge": "context"}


@pytest.mark.parametrize("layer", ["off", "shadow", "safe", "codebook", "scenes", "focus"])
@pytest.mark.parametrize("is_long", [False, True])
def test_no_upstream_sees_the_mark_of_a_passage(layer, is_long):
    text = "The tower of Genoa. " * (2000 if is_long else 1)
    said_by_a_tool = {"type": "tool_result", "tool_use_id": "t", "content": [marked("inside")]}
    parts = [{"type": "text", "text": "When?"}, marked(text)]
    messages = [
        {"role": "tool", "tool_call_id": "c", "content": [marked("a result")]},
        {"role": "user", "content": [said_by_a_tool]},
        {"role": "user", "content": parts},
    ]
    body = sent({"model": "m", "messages": messages}, layer).request.members.body
    assert b'"hyperbridge"' not in body
    for kept in (b"When?", b"a result", b"inside", text.strip().encode()):
        assert kept in body


@pytest.mark.parametrize("layer", ["off", "safe"])
def test_what_only_looks_like_a_mark_stays(layer):
    arguments = {"role": "assistant", "content": "x", "x": {"hyperbridge": 1}}
    twice = msgspec.Raw(b'{"role":"user","content":[],"content":[{"hyperbridge":"context"}]}')
    asked = {"model": "m", "messages": [arguments, {"role": "user", "content": '"hyperbridge"'}, twice, 7]}
    encoded = sent(asked, layer)
    assert encoded.request.members.raw("messages") == msgspec.json.encode(asked["messages"])


def test_a_mark_leaves_the_input_of_responses():
    asked = {"model": "m", "input": [{"role": "user", "content": [marked("x")]}]}
    assert b'"hyperbridge"' not in sent(asked, "off", RESPONSES).request.members.body


def test_passages_are_chosen_for_the_question_alone_not_for_what_it_recalls():
    drawn = random.Random(2)
    words = [
        "".join(drawn.choice("bcdfgklmnprst") + drawn.choice("aeiou") for _ in range(6)) for _ in range(400)
    ]
    old: list[Mapping[str, object]] = []
    for turn in range(80):
        told = " ".join(words[(turn * 5 + place) % 400] for place in range(40))
        old += [
            {"role": "user", "content": f"lamp tall note {turn}: {told}"},
            {
                "role": "assistant",
                "content": " ".join(words[(turn * 7 + place) % 400] for place in range(30)),
            },
        ]
    right, wrong = "The lamp is 77 m tall. " * 12, " ".join(words[:30])
    question = [{"type": "text", "text": "How tall is the lamp?"}, marked(right), marked(wrong)]
    asked = {"model": "m", "messages": [*old, {"role": "user", "content": question}]}

    found = said(asked, "focus", focus_tokens=80)
    content = found.request.members.value("messages")[-1]["content"]
    texts = [part["text"] for part in content]
    assert found.saving.forms == {"memory": 1, "focus": 1}
    assert right in texts
    assert wrong not in texts
