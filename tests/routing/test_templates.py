import contextlib
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import config
from app.config.manner_rules import SHIPPED_TEMPLATES
from app.routing.glossary import SHIPPED as SHIPPED_TERMS
from app.routing.glossary import read_glossary
from app.routing.templates import MOST_TEXT_BYTES, MOST_VALUE_BYTES, TemplateFault, Templates
from tests.support.process import run

SHIPPED = Templates.load()
HEAD = """---
description: For a test.
variables:
  topic: {description: What it is about., default: ""}
---
"""
GREETING = """---
description: Greets.
variables:
  name: {description: Whom., required: true}
  tone: {description: How., default: warm, choices: [warm, cool]}
---
{{ tone | capitalize }}: hello, {{ name }}!
"""


def loaded(folder: Path, text: str, name: str = "own.md") -> Templates:
    (folder / name).write_text(text, "utf-8")
    return Templates.load([SHIPPED_TEMPLATES, folder])


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(config.ConfigError) as told:
        loaded(folder, text)
    return str(told.value).removeprefix(str(folder / "own.md"))


def test_the_shipped_ones_are_there_and_every_variable_of_theirs_is_used():
    assert set(SHIPPED.known) == {"reasoning", "code", "languages", "field-instruction", "glossary"}
    assert SHIPPED.warnings == []


def test_reasoning_shows_all_its_steps_or_few():
    full, brief = (SHIPPED.render("reasoning", {"depth": depth}) for depth in ("full", "brief"))

    assert "step by step" in full
    assert full == SHIPPED.render("reasoning", {})
    assert full.splitlines()[:-1] == brief.splitlines()[:-1]
    assert full != brief


def test_code_names_language_context_and_each_constraint():
    text = SHIPPED.render(
        "code",
        {"language": "Rust 1.90", "context": "a CLI", "constraints": "no unsafe; std only\n≤ 200 lines"},
    )

    assert "Write Rust 1.90." in text
    assert "It lives here: a CLI" in text
    assert "- no unsafe\n- std only\n- ≤ 200 lines\n" in text


def test_code_without_variables_leaves_out_what_was_not_said():
    text = SHIPPED.render("code", {})

    assert "lives here" not in text
    assert "must keep to" not in text


def test_languages_are_listed_in_the_order_wanted():
    text = SHIPPED.render("languages", {"languages": "English, Русский , 日本語"})

    assert "- English\n- Русский\n- 日本語\n" in text


@pytest.mark.parametrize("topic", ["", "LoRA rank"])
def test_the_field_instruction_goes_from_the_phase_to_the_guiding_question(topic: str):
    text = SHIPPED.render("field-instruction", {"topic": topic})

    steps = re.findall(r"(?m)^\d\. ([^.]+)\.", text)
    assert steps == ["Phase", "Pattern of attention", "Depth", "Assembly point", "Guiding question"]
    assert text.startswith(f"Teach this: {topic or 'the topic of the question'}.\n\n")


def test_the_glossary_gives_terms_their_own_meaning():
    text = SHIPPED.render("glossary", {})

    assert "- context window: how far the model's breath reaches\n" in text
    assert "- LoRA rank: how deep it is poured into the model\n" in text
    assert "- quantization: precision given up so that more can have it\n" in text


def test_the_glossary_tells_the_terms_asked_for_whatever_their_case():
    text = SHIPPED.render("glossary", {"terms": "LORA RANK, token, none such"})

    assert re.findall(r"(?m)^- ([^:]+):", text) == ["token", "LoRA rank"]


def test_the_operator_s_glossary_adds_terms_and_replaces_meanings(tmp_path: Path):
    own = tmp_path / "own.yaml"
    own.write_text("lora rank: how deep the root goes\ndrawdown: the depth of the valley\n", "utf-8")

    found = read_glossary([SHIPPED_TERMS, own])

    assert found["lora rank"] == "how deep the root goes"
    assert "LoRA rank" not in found
    assert found["token"] == read_glossary([SHIPPED_TERMS])["token"]
    text = Templates.load(glossaries=[SHIPPED_TERMS, own]).render("glossary", {"terms": "drawdown"})
    assert "- drawdown: the depth of the valley\n" in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a, b]", ":1:1: must be a mapping"),
        ("a: b\nc: [d]", ":2:4: c: the meaning must be text"),
        ("a: ''", ":1:4: a: the meaning must be text"),
        ("a: 'b\n\n  c'", ":1:4: a: the meaning must be text of 1 to 200 characters in one line"),
        (f"{'x' * 201}: y", "the term must have 1 to 200 characters"),
        ("a: {", "not valid YAML"),
    ],
)
def test_a_wrong_glossary_is_told_with_its_place(text: str, told: str, tmp_path: Path):
    own = tmp_path / "own.yaml"
    own.write_text(text, "utf-8")

    with pytest.raises(config.ConfigError, match=re.escape(told)):
        read_glossary([own])


def test_a_glossary_has_a_bound(tmp_path: Path):
    own = tmp_path / "own.yaml"
    own.write_text("".join(f"term {number}: x\n" for number in range(201)), "utf-8")

    with pytest.raises(config.ConfigError, match="more than 200 terms"):
        read_glossary([own])


def test_a_template_of_the_operator_s_replaces_the_shipped_one_of_its_name(tmp_path: Path):
    own = loaded(tmp_path, HEAD + "Say {{ topic or 'something' }}.", "reasoning.md")

    assert own.render("reasoning", {}) == "Say something."
    assert own.render("code", {}) == SHIPPED.render("code", {})


def test_variables_are_filled_defaulted_and_chosen(tmp_path: Path):
    own = loaded(tmp_path, GREETING)

    assert own.render("own", {"name": "Ada"}) == "Warm: hello, Ada!"
    assert own.render("own", {"name": "Ada", "tone": "cool"}) == "Cool: hello, Ada!"


@pytest.mark.parametrize(
    ("name", "variables", "told"),
    [
        ("ownn", {}, "There is no such template; did you mean 'own'? (known: code, "),
        ("own", {}, "The template 'own' needs the variable 'name': Whom."),
        (
            "own",
            {"name": "secret", "nam": "secret"},
            "has no such variable; did you mean 'name'? (known: name, tone)",
        ),
        ("own", {"name": "secret", "tone": "secret"}, "must be one of warm, cool"),
        ("own", {"name": "secret" * 1000}, "must be Unicode text of at most 4096 bytes"),
        ("own", {"name": "secret\ud800"}, "must be Unicode text of at most 4096 bytes"),
    ],
)
def test_what_cannot_be_written_is_told_without_what_was_given(name, variables, told, tmp_path: Path):
    own = loaded(tmp_path, GREETING)

    with pytest.raises(TemplateFault, match=re.escape(told)) as fault:
        own.render(name, variables)

    assert "secret" not in str(fault.value)


def test_a_template_without_variables_says_so(tmp_path: Path):
    own = loaded(tmp_path, "---\ndescription: x\n---\nHello.")

    with pytest.raises(TemplateFault, match="has no such variable: it has none"):
        own.render("own", {"x": "y"})


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_value_stays_the_text_that_it_is(value: str):
    text = SHIPPED.render("code", {"context": f"<{value}>"})

    assert f"It lives here: <{value}>\n" in text


@pytest.mark.parametrize("value", ["{{7*7}}", "{% for x in y %}", "{# x #}", "${HOME}", "<b>&amp;", "%s {0}"])
def test_a_value_is_never_evaluated(value: str):
    assert f"Teach this: {value}.\n" in SHIPPED.render("field-instruction", {"topic": value})


HOSTILE = [
    "{{ ''.__class__ }}",
    "{{ topic.__class__.__mro__ }}",
    "{{ topic['__class__'] }}",
    "{{ topic|attr('__class__') }}",
    "{{ topic.upper() }}",
    "{{ topic() }}",
    "{{ self }}{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__ }}",
    "{% for i in range(10**9) %}x{% endfor %}",
    "{{ 'a' * 10**9 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ 'a' ~ 'b' }}",
    "{{ topic[0:1] }}",
    "{{ topic|replace('', 'x') }}",
    "{{ topic|upper('x') }}",
    "{{ topic|format }}",
    "{{ topic is defined }}",
    "{{ lipsum(1000) }}",
    "{% for a in topic %}{% for b in topic %}x{% endfor %}{% endfor %}",
    "{% for a in topic %}{% if a %}{% for b in topic %}x{% endfor %}{% endif %}{% endfor %}",
    "{% for a in topic recursive %}{{ loop(topic) }}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% set x = topic %}{{ x }}",
    "{% include 'own.md' %}",
    "{% import 'own.md' as x %}",
    "{% extends 'own.md' %}",
    "{% block x %}{{ self.x() }}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% with x = topic %}{{ x }}{% endwith %}",
    "{% autoescape true %}x{% endautoescape %}",
    "{% call topic() %}{% endcall %}",
    "{{ topic",
    "{% if topic %}",
    "{{ topic | nosuch }}",
    "{{ (" + "(" * 5000,
    "{{ " + "not " * 20_000 + "topic }}",
    "{% if topic %}" * 500 + "{% endif %}" * 500,
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: body[:40])
def test_a_hostile_template_is_refused_when_it_is_read(body: str, tmp_path: Path):
    told = refusal(tmp_path, HEAD + "first\n" + body)

    assert re.match(r":(7|1):1: ", told), told
    assert "Traceback" not in told


@given(st.text(alphabet=string.printable, max_size=60), st.sampled_from(["{{ %s }}", "{%% %s %%}", "%s"]))
def test_any_body_is_written_or_refused(tmp_path_factory, text: str, frame: str):
    folder = tmp_path_factory.mktemp("templates")
    (folder / "own.md").write_text(HEAD + "{{ topic }}" + frame % text, "utf-8")

    with contextlib.suppress(config.ConfigError):
        assert isinstance(Templates.load([folder]).render("own", {"topic": "x"}), str)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no head", ":1:1: must begin with a head between two lines ---"),
        ("---\ndescription: x\n", ":1:1: must begin with a head"),
        ("---\ndescriptoin: x\n---\n", ":2:1: descriptoin: unknown member; did you mean 'description'?"),
        ("---\n---\n", ":1:1: must be a mapping"),
        ("---\ndescription: [x]\nvariables: [y]\n---\n", ":2:14: description: must be text"),
        ("---\ndescription: [x]\nvariables: [y]\n---\n", ":3:12: variables: must be a mapping"),
        ("---\nvariables: {}\n---\n", ":1:1: description: is missing"),
        ('---\ndescription: x\nvariables: {"A b": {description: y, default: z}}\n---\n', ":3:13: variables"),
        (
            "---\ndescription: x\nvariables:\n  a: {description: y}\n---\n{{ a }}",
            ":4:6: variables.a: must have either",
        ),
        (
            "---\ndescription: x\nvariables:\n  a: {description: y, default: z, choices: [b]}\n---\n{{ a }}",
            ":4:6: variables.a: must have one of its choices",
        ),
        (
            "---\ndescription: x\nvariables:\n  a: {description: y, requird: true}\n---\n{{ a }}",
            "requird: unknown member; did you mean 'required'?",
        ),
        (
            "---\ndescription: x\nvariables:\n  glossary: {description: y, default: z}\n---\n",
            ":4:3: variables.glossary: glossary is what the glossary itself is called",
        ),
        ("---\ndescription: {\n---\n", "not valid YAML"),
        (HEAD + "\n{{ topik }}", ":7:1: the variable 'topik' is not declared; did you mean 'topic'?"),
        (
            HEAD + "{{ 'x' in topic }}{% for a, b in topic %}{% endfor %}" + "x" * 65_536,
            "more than 65536 characters",
        ),
        (HEAD + "{% if glossary in topic %}x{% endif %}", ":1:1: The template 'own' cannot be written"),
    ],
)
def test_a_wrong_template_is_told_with_its_place(text: str, told: str, tmp_path: Path):
    assert told in refusal(tmp_path, text)


def test_every_wrong_template_is_told(tmp_path: Path):
    (tmp_path / "a.md").write_text("x", "utf-8")
    (tmp_path / "b.md").write_text(HEAD + "{{ y }}", "utf-8")

    with pytest.raises(config.ConfigError) as told:
        Templates.load([tmp_path])

    assert len(told.value.faults) == 2


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(config.ConfigError, match="there is no such folder"):
        Templates.load([tmp_path / "none"])


def test_a_variable_that_is_not_used_is_a_warning(tmp_path: Path):
    own = loaded(tmp_path, HEAD + "Hello.")

    assert own.warnings == [f"{tmp_path / 'own.md'}: variables.topic is declared, and not used"]


def test_a_text_has_a_bound(tmp_path: Path):
    own = loaded(tmp_path, HEAD + "{{ topic }}" * 20)
    most = "x" * MOST_VALUE_BYTES

    with pytest.raises(TemplateFault, match=f"more than {MOST_TEXT_BYTES} bytes"):
        own.render("own", {"topic": most})
    assert len(own.render("own", {"topic": most[:3000]})) == 60_000


def test_a_loop_over_a_long_value_ends_at_the_bound(tmp_path: Path):
    own = loaded(tmp_path, HEAD + "{% for letter in topic %}{{ topic }}{% endfor %}")

    with pytest.raises(TemplateFault, match="more than"):
        own.render("own", {"topic": "x" * MOST_VALUE_BYTES})


def test_windows_line_ends_and_a_mark_of_bytes_are_read(tmp_path: Path):
    own = loaded(tmp_path, "\ufeff" + GREETING.replace("\n", "\r\n"))

    assert own.render("own", {"name": "Ada"}) == "Warm: hello, Ada!"


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_wrong_template_is_told_before_anything_starts(command: str, tmp_path: Path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bad.md").write_text(HEAD + "{{ topic.upper() }}", "utf-8")
    file = tmp_path / "hyperbridge.yaml"
    file.write_text(
        "upstreams: {demo: {kind: demo}}\nmodels: {demo: demo/demo}\ntemplates: {folder: own}", "utf-8"
    )

    told = run(command, "--config", str(file))

    assert told.returncode == 2
    assert told.stderr.startswith(f"{tmp_path / 'own' / 'bad.md'}:6:1: Call is not offered here")
    assert "Traceback" not in told.stderr
