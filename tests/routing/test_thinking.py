"""One wish to think or not, said as each upstream and each family of models hears it."""

import json
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contracts import Route
from app.operations import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, Operation
from app.routing.catalogue import shipped
from app.routing.defaults import members_to_set
from app.routing.thinking import FAMILIES, family, way_of, way_to
from app.wire import Members, Request
from tests.routing.asking import asking, call

KINDS = ("nebius", "vllm", "openai", "embedded", "demo")
EXAMPLES = {
    "": "my-own-model",
    "enable_thinking": "Qwen/Qwen3-8B",
    "thinking": "deepseek-ai/DeepSeek-V3.1",
    "thinking_mode": "MiniMaxAI/MiniMax-M3",
    "always": "deepseek-ai/DeepSeek-R1",
    "never": "Qwen/Qwen3-30B-A3B-Instruct-2507",
    "prompt": "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5",
    "low": "openai/gpt-oss-120b",
    "minimal": "gpt-5-mini",
    "effort": "gpt-5.2",
}
"""A model of each family."""


def told(body, model, kind, *, operation=CHAT, thinking="auto", defaults=None, headers=None):
    """The request as this upstream gets it, and what the client is told."""
    asked = call(body, operation, headers=headers)
    route = Route("up", model, "words", "configured", defaults or {}, thinking=thinking)
    way = way_of(asked, route, kind)
    sent = asked.request.members.replaced(members_to_set(operation, asked.request, route, way))
    return json.loads(sent), way.outcome


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("Qwen/Qwen3-8B", "enable_thinking"),
        ("qwen3:8b", "enable_thinking"),
        ("qwen3.5:9b", "enable_thinking"),
        ("qwen3-4b-q4_k_m", "enable_thinking"),
        ("qwen3-4b:poet", "enable_thinking"),
        ("Qwen/Qwen3.5-397B-A17B", "enable_thinking"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "never"),
        ("Qwen/Qwen3-235B-A22B-Thinking-2507-fast", "always"),
        ("Qwen/Qwen3-Next-80B-A3B-Thinking", "always"),
        ("qwen3:30b-instruct", "never"),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "never"),
        ("Qwen/Qwen2.5-72B-Instruct", "never"),
        ("Qwen/QwQ-32B", "always"),
        ("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "always"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "always"),
        ("deepseek-ai/DeepSeek-V3-0324", "never"),
        ("deepseek-ai/DeepSeek-V3", "never"),
        ("deepseek-ai/DeepSeek-V3.1-Terminus", "thinking"),
        ("deepseek-v3.2", "thinking"),
        ("deepseek-ai/DeepSeek-V4-Flash-0731", "thinking"),
        ("zai-org/GLM-4.5-Air", "enable_thinking"),
        ("zai-org/GLM-5", "enable_thinking"),
        ("THUDM/glm-4-9b-chat", ""),
        ("THUDM/chatglm3-6b", ""),
        ("openai/gpt-oss-20b", "low"),
        ("o3-mini", "low"),
        ("gpt-5-2025-08-07", "minimal"),
        ("gpt-5.1", "effort"),
        ("gpt-5.1-codex", ""),
        ("gpt-4o-mini", "never"),
        ("NousResearch/Hermes-4-405B", "thinking"),
        ("NousResearch/Hermes-4-Llama-3.1-405B", "thinking"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "never"),
        ("moonshotai/Kimi-K2.5", "thinking"),
        ("moonshotai/Kimi-K2-Instruct-0905", "never"),
        ("moonshotai/Kimi-K2-Thinking", "always"),
        ("ibm-granite/granite-3.2-8b-instruct", "thinking"),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B", "enable_thinking"),
        ("nvidia/Nemotron-3_5-Lightning", "enable_thinking"),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "prompt"),
        ("openbmb/MiniCPM-V-4_5", "enable_thinking"),
        ("google/gemma-4-26B-A4B-it", "enable_thinking"),
        ("google/gemma-3-27b-it", "never"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "never"),
        ("MiniMaxAI/MiniMax-M2", "always"),
        ("a-non-thinking-model", ""),
    ],
)
def test_a_models_name_says_its_family(model, expected):
    assert family(model) == expected


@pytest.mark.parametrize("entry", shipped().entries, ids=lambda entry: entry.id)
def test_the_catalogue_and_the_name_agree(entry):
    families = {
        "never": {"never"},
        "always": {"always", "low"},
        "switch": {"enable_thinking", "thinking", "thinking_mode"},
    }

    if "chat" in entry.strengths:
        assert family(entry.id) in families[entry.thinking]


BOTH_ON = {"chat_template_kwargs": {"thinking": True, "enable_thinking": True}}
BOTH_OFF = {"chat_template_kwargs": {"thinking": False, "enable_thinking": False}}
ON = {"chat_template_kwargs": {"enable_thinking": True}}
OFF = {"chat_template_kwargs": {"enable_thinking": False}}
MODE_ON = {"chat_template_kwargs": {"thinking_mode": "enabled"}}
MODE_OFF = {"chat_template_kwargs": {"thinking_mode": "disabled"}}
NONE = {"reasoning_effort": "none"}
TEMPLATES = ("nebius", "vllm", "embedded")

TABLE = [
    *((kind, "enable_thinking", "on", ON, "on") for kind in KINDS),
    *((kind, "enable_thinking", "off", OFF, "off") for kind in (*TEMPLATES, "demo")),
    ("openai", "enable_thinking", "off", OFF | NONE, "off"),
    *((kind, "thinking", "on", BOTH_ON, "on") for kind in (*TEMPLATES, "openai")),
    *((kind, "thinking", "off", BOTH_OFF, "off") for kind in TEMPLATES),
    ("openai", "thinking", "off", BOTH_OFF | NONE, "off"),
    *((kind, "", "on", BOTH_ON, "asked") for kind in TEMPLATES),
    *((kind, "", "off", BOTH_OFF, "asked") for kind in TEMPLATES),
    *((kind, "thinking_mode", "on", MODE_ON, "on") for kind in (*TEMPLATES, "openai")),
    *((kind, "thinking_mode", "off", MODE_OFF, "asked") for kind in TEMPLATES),
    ("openai", "thinking_mode", "off", MODE_OFF | NONE, "asked"),
    ("openai", "", "on", {}, "unsupported"),
    ("openai", "", "off", {}, "unsupported"),
    *((kind, "always", "on", {}, "on") for kind in (*TEMPLATES, "openai")),
    *((kind, "always", "off", {}, "unsupported") for kind in (*TEMPLATES, "openai")),
    *((kind, "never", "on", {}, "unsupported") for kind in (*TEMPLATES, "openai")),
    *((kind, "never", "off", {}, "off") for kind in (*TEMPLATES, "openai")),
    *((kind, "prompt", wish, {}, "unsupported") for kind in (*TEMPLATES, "openai") for wish in ("on", "off")),
    *((kind, "low", "on", {}, "on") for kind in (*TEMPLATES, "openai")),
    *((kind, "low", "off", {"reasoning_effort": "low"}, "least") for kind in (*TEMPLATES, "openai")),
    ("openai", "minimal", "on", {}, "on"),
    ("openai", "minimal", "off", {"reasoning_effort": "minimal"}, "least"),
    ("openai", "effort", "on", {"reasoning_effort": "medium"}, "on"),
    ("openai", "effort", "off", NONE, "off"),
]


@pytest.mark.parametrize(("kind", "named", "wish", "added", "outcome"), TABLE)
def test_a_wish_is_said_as_the_upstream_and_the_model_hear_it(kind, named, wish, added, outcome):
    body = asking("hi")

    by_client = told({**body, "hyperbridge": {"thinking": wish}}, EXAMPLES[named], kind)
    by_header = told(body, EXAMPLES[named], kind, headers={b"x-hyperbridge-thinking": wish.encode()})
    by_route = told(body, EXAMPLES[named], kind, thinking=wish)

    assert by_client == by_header == by_route
    sent, said = by_client
    assert sent == {**body, "model": EXAMPLES[named], **added}
    assert said == outcome


@pytest.mark.parametrize(("kind", "named"), [*product(KINDS, FAMILIES)])
def test_where_nothing_is_wished_nothing_is_said(kind, named):
    body = asking("hi", EXAMPLES[named])

    assert told(body, EXAMPLES[named], kind) == (body, "")
    assert told({**body, "hyperbridge": {"thinking": "auto"}}, EXAMPLES[named], kind, thinking="on") == (
        body,
        "",
    )


def test_the_client_is_heard_before_the_configuration():
    body = {**asking("hi"), "hyperbridge": {"thinking": "off"}}

    assert told(body, "qwen3-8b", "vllm", thinking="on")[0]["chat_template_kwargs"] == {
        "enable_thinking": False
    }


def test_a_wish_stands_above_a_configured_switch_and_leaves_the_rest_of_it():
    configured = {"chat_template_kwargs": b'{"enable_thinking": true, "tone": "dry"}'}

    sent, _ = told(asking("hi"), "qwen3-8b", "vllm", thinking="off", defaults=configured)

    assert sent["chat_template_kwargs"] == {"enable_thinking": False, "tone": "dry"}


@pytest.mark.parametrize(
    ("effort", "model", "added", "outcome"),
    [
        ("none", "qwen3-8b", OFF, "off"),
        ("high", "qwen3-8b", ON, "on"),
        ("low", "deepseek-v3.1", BOTH_ON, "on"),
        ("none", "deepseek-r1", {}, "unsupported"),
        ("high", "Qwen3-30B-A3B-Instruct-2507", {}, "unsupported"),
        ("high", "gpt-oss-20b", {}, "on"),
        ("none", "gpt-oss-20b", {}, ""),
        ("none", "my-own-model", {}, ""),
    ],
)
def test_an_effort_of_the_clients_stays_and_the_template_is_told_beside_it(effort, model, added, outcome):
    body = asking("hi", model, reasoning_effort=effort)

    for kind in (*TEMPLATES, "openai"):
        assert told(body, model, kind, thinking="on") == (body | added, outcome)


@pytest.mark.parametrize(
    "own",
    [
        {"chat_template_kwargs": {"enable_thinking": True}},
        {"chat_template_kwargs": {"thinking": True}},
        {"chat_template_kwargs": "of another shape"},
        {"reasoning": {"effort": "high"}},
        {"thinking": {"type": "enabled"}},
        {"think": True},
        {"enable_thinking": True},
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_client_has_told_the_model_by_itself_stands_alone(own, kind):
    body = asking("hi", "qwen3-8b", **own)

    assert told({**body, "hyperbridge": {"thinking": "off"}}, "qwen3-8b", kind, thinking="off") == (body, "")


def test_null_says_nothing():
    body = asking("hi", "qwen3-8b", chat_template_kwargs=None, reasoning_effort=None, thinking=None)

    assert told(body, "qwen3-8b", "vllm", thinking="off")[0] == body | OFF


@pytest.mark.parametrize("operation", [RESPONSES, MESSAGES])
@pytest.mark.parametrize(
    ("kind", "model", "outcome"),
    [
        ("vllm", "qwen3-8b", "off"),
        ("embedded", "qwen3-8b", "off"),
        ("nebius", "qwen3-8b", "unsupported"),
        ("openai", "qwen3-8b", "unsupported"),
        ("vllm", "gpt-oss-20b", "unsupported"),
        ("vllm", "my-own-model", "asked"),
        ("openai", "Qwen3-30B-A3B-Instruct-2507", "off"),
    ],
)
def test_other_dialects_are_told_where_the_server_hands_it_to_the_template(operation, kind, model, outcome):
    body = {"model": model, "messages": [], "max_tokens": 5}

    sent, said = told(body, model, kind, operation=operation, thinking="off")

    assert said == outcome
    assert ("chat_template_kwargs" in sent) == (kind in {"vllm", "embedded"} and outcome in {"off", "asked"})


@pytest.mark.parametrize(
    ("operation", "body", "outcome"),
    [
        (COMPLETIONS, {"model": "qwen3-8b", "prompt": "hi"}, "unsupported"),
        (EMBEDDINGS, {"model": "qwen3-8b", "input": "hi"}, ""),
    ],
)
def test_what_shows_no_template_to_the_model_is_not_told(operation: Operation, body, outcome):
    assert told(body, "qwen3-8b", "vllm", operation=operation, thinking="off") == (body, outcome)


def test_an_upstream_of_no_known_kind_is_told_as_any_server_is():
    assert way_to("off", "another", "enable_thinking") == way_to("off", "openai", "enable_thinking")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(
    st.text(max_size=8) | st.sampled_from(["tone", "thinking", "enable_thinking", "thinking_mode"]), VALUES
)
BODIES = st.dictionaries(
    st.text(max_size=8) | st.sampled_from(["reasoning_effort", "think", "reasoning", "temperature"]),
    VALUES,
    max_size=4,
).flatmap(
    lambda body: st.fixed_dictionaries({}, optional={"chat_template_kwargs": VALUES | OBJECTS}).map(
        lambda more: {**body, **more, **asking("hi", "m")}
    )
)


@given(
    BODIES,
    st.sampled_from(KINDS),
    st.sampled_from([*EXAMPLES.values()]),
    st.sampled_from(["on", "off", "auto"]),
    st.integers(0, 3),
)
def test_every_member_of_the_clients_survives_byte_for_byte(body, kind, model, wish, spaces):
    text = json.dumps(body, indent=spaces or None).encode()
    asked = replace(call(asking("hi")), request=Request.parse(text, CHAT))
    route = Route("up", model, "words", "configured", thinking=wish)
    members = members_to_set(CHAT, asked.request, route, way_of(asked, route, kind))

    sent = Members.of(asked.request.members.replaced(members))

    for name in asked.request.members.spans:
        before, after = asked.request.members.raw(name), sent.raw(name)
        if name == "chat_template_kwargs" and before != after:
            _stays_in(before, after)
        elif name != "model":
            assert after == before


def _stays_in(before: bytes | None, after: bytes | None) -> None:
    """Only a switch was added to what was an object, or nothing."""
    assert before is not None
    assert after is not None
    added = json.loads(after).keys() - (json.loads(before) or {}).keys()
    assert added <= {"thinking", "enable_thinking", "thinking_mode"}
    if before != b"null":
        first, second = Members.of(before), Members.of(after)
        assert all(second.raw(name) == first.raw(name) for name in first.spans)
