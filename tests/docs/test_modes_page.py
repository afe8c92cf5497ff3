"""docs/modes.md says what the modes, templates and presets are, and each of its requests is answered in its mode."""

import json
import re
from pathlib import Path

import pytest

from app.contracts import Wishes
from app.operations import CHAT
from app.routing.glossary import SHIPPED as SHIPPED_GLOSSARY
from app.routing.glossary import read_glossary
from app.routing.modes import modes, presets
from app.routing.template_file import Variable
from app.routing.templates import MOST_TEXT_BYTES, MOST_VALUE_BYTES, Templates
from app.wire import Request
from app.wishes import MODE, PRESET, wishes
from app.wishes import TEMPLATE as TEMPLATE_HEADER
from tests.docs.pages import Fence, codes, fences, prose, tables
from tests.support.gateway import gateway_of
from tests.support.process import ROOT

PAGE = ROOT / "docs/modes.md"
MODES = modes({})
PRESETS = presets({})
TEMPLATES = Templates.load()
[CONFIGURATION] = fences(PAGE, "yaml")
[TEMPLATE] = fences(PAGE, "jinja")
REQUESTS = fences(PAGE, "json")


def test_every_mode_is_there_as_it_is():
    [rows] = tables(PAGE, "## Modes")

    assert rows == [
        [
            f"`{name}`",
            mode.description,
            ", ".join(f"`{preset}`" for preset in mode.presets),
            f"`{mode.template}`" if mode.template else "none",
            ", ".join(mode.tasks),
            mode.thinking,
        ]
        for name, mode in sorted(MODES.items())
    ]


def test_every_mode_has_its_aim_its_risk_and_its_remedy():
    [rows] = tables(PAGE, "### Aim, risk, remedy")

    assert rows == [[f"`{name}`", mode.aim, mode.risk, mode.remedy] for name, mode in sorted(MODES.items())]


def test_every_template_and_every_variable_is_there():
    templates, variables = tables(PAGE, "## Prompt templates")

    known = sorted(TEMPLATES.known.items())
    assert templates == [[f"`{name}`", template.description] for name, template in known]
    assert variables == [
        [f"`{name}`", f"`{variable}`", described(meant), meant.description]
        for name, template in known
        for variable, meant in template.variables.items()
    ]


def described(variable: Variable) -> str:
    kind = ", ".join(f"`{choice}`" for choice in variable.choices) or "text"
    if variable.required:
        return f"{kind}, required"
    return f"{kind}; default {f'`{variable.default}`' if variable.default else 'empty'}"


def test_every_preset_is_there_as_it_is():
    [rows] = tables(PAGE, "## Presets")

    assert rows == [
        [f"`{name}`", ", ".join(f"`{member}` {value.decode()}" for member, value in preset.members.items())]
        for name, preset in PRESETS.items()
    ]


def test_every_term_of_the_glossary_is_there():
    [rows] = tables(PAGE, "### The glossary")

    assert rows == [list(pair) for pair in read_glossary([SHIPPED_GLOSSARY]).items()]


def test_bounds_are_as_told():
    text = prose(PAGE)

    assert f"at most {MOST_VALUE_BYTES} bytes" in text
    assert f"a\ntext {MOST_TEXT_BYTES:,}" in text


def test_the_template_that_is_shown_can_be_loaded(tmp_path: Path):
    (tmp_path / "report.md").write_text(TEMPLATE.text, "utf-8")

    own = Templates.load([tmp_path])

    assert own.warnings == []
    text = own.render("report", {"reader": "Ada", "tone": "formal", "points": "risk, cost"})
    assert (
        text == "Write a report for Ada, formally.\n- Say something about risk.\n- Say something about cost."
    )


def test_every_mode_has_an_example():
    named = {json.loads(fence.text)["hyperbridge"].get("mode") for fence in REQUESTS}

    assert set(MODES) <= named


def before_the_twin(url: str) -> str:
    twin = f'{{kind: openai, url: "{url}", api_key: a-secret}}'
    assert "{kind: demo}" in CONFIGURATION.text
    return CONFIGURATION.text.replace("{kind: demo}", twin)


@pytest.mark.parametrize("fence", REQUESTS, ids=str)
async def test_a_request_is_answered_in_its_mode(fence: Fence, upstream, client, tmp_path):
    twin, url = upstream
    asked = json.loads(fence.text)
    named = asked.pop("hyperbridge")

    async with gateway_of(before_the_twin(url), tmp_path) as gateway:
        answer = await client.post(f"{gateway.url}/v1/chat/completions", json=asked | {"hyperbridge": named})

    assert answer.status_code == 200, answer.text
    [sent] = [seen.json() for seen in twin.seen if seen.method == "POST"]
    assert "hyperbridge" not in sent
    if "mode" in named or "template" in named:
        system, *others = sent["messages"]
        assert system["role"] == "system"
        assert system["content"].startswith(MODES[named["mode"]].lens if "mode" in named else "Give the same")
        assert others == asked["messages"]
    names = [*(MODES[named["mode"]].presets if "mode" in named else ()), *named.get("preset", ())]
    wanted: dict[str, object] = {}
    for name in names:
        wanted |= {member: json.loads(value) for member, value in PRESETS[name].members.items()}
    assert wanted.items() <= sent.items()


async def test_a_name_with_a_mode_of_its_own_needs_no_wish(upstream, client, tmp_path):
    twin, url = upstream
    asked = {"model": "trading-analysis", "messages": [{"role": "user", "content": "VaR?"}], "top_p": 1}

    async with gateway_of(before_the_twin(url), tmp_path) as gateway:
        answer = await client.post(f"{gateway.url}/v1/chat/completions", json=asked)

    assert answer.status_code == 200, answer.text
    [sent] = [seen.json() for seen in twin.seen if seen.method == "POST"]
    assert sent["messages"][0]["content"] == MODES["metrics"].lens
    assert (sent["temperature"], sent["max_tokens"], sent["top_p"]) == (0.1, 600, 1)


@pytest.mark.parametrize("wrong", ["mode", "preset", "template"])
async def test_a_name_that_is_not_there_is_refused_with_those_that_are(
    wrong: str, upstream, client, tmp_path
):
    _, url = upstream
    asked = {"model": "demo", "messages": [], "hyperbridge": {wrong: "nosuch"}}

    async with gateway_of(before_the_twin(url), tmp_path) as gateway:
        answer = await client.post(f"{gateway.url}/v1/chat/completions", json=asked)

    assert answer.status_code == 400
    assert re.search(rf"no (such )?{wrong}", answer.json()["error"]["message"])


def test_what_is_asked_for_is_understood():
    [rows] = tables(PAGE, "## Ask for one")
    texts = {"mode": "code", "preset": "risk", "template": "code", "variables": {}}
    headers = {codes(row[1])[0].encode(): b"code" for row in rows if codes(row[1])}

    assert [codes(row[0])[0] for row in rows] == list(texts)
    assert list(headers) == [MODE, PRESET, TEMPLATE_HEADER]
    asked = Request.parse(json.dumps({"model": "m", "messages": [], "hyperbridge": texts}).encode(), CHAT)
    assert wishes({}, asked) == Wishes("code", ["risk"], "code")
