"""docs/hyperbridge.schema.json, which editors read."""

import json
from typing import Any

import jsonschema_rs
import pytest

from app.config.editor import editor_schema
from app.yaml_source import Node, Scalar, parse, plain_value
from tests.docs.pages import PAGES, Fence, fences
from tests.support.process import ROOT

SCHEMA = ROOT / "docs/hyperbridge.schema.json"
SHOWN = [fence for page in PAGES for fence in fences(page, "yaml")]
FILES = [ROOT / "hyperbridge.yaml", *sorted((ROOT / "deploy").glob("hyperbridge*.yaml"))]


def read(text: str) -> Any:
    """As an editor reads it, which knows YAML 1.2: `off` is text."""
    node, _ = parse(text)
    assert node is not None
    return value(node)


def value(node: Node) -> Any:
    if isinstance(node, Scalar):
        return plain_value(node.text) if node.plain else node.text
    members = {name: value(member) for name, (_, member) in node.members.items()}
    return members if node.is_mapping else list(members.values())


def faults(document: Any) -> list[str]:
    validator = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text("utf-8")))
    return [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(document)]


def test_the_published_schema_is_that_of_the_settings():
    """`hyperbridge check --schema > docs/hyperbridge.schema.json` makes it anew."""
    assert json.loads(SCHEMA.read_text("utf-8")) == editor_schema()


@pytest.mark.parametrize("fence", SHOWN, ids=str)
def test_every_configuration_that_a_page_shows_is_one_for_an_editor_too(fence: Fence):
    assert faults(read(fence.text)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_files_that_are_shipped_are_too(path):
    assert faults(read(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"upstreams": {"d": {"kind": "demo"}}, "modles": {}},
        {"upstreams": {"d": {"kind": "dema"}}},
        {"upstreams": {"d": {"kind": "demo"}}, "server": {"port": "high"}},
        {"upstreams": {"d": {"kind": "demo"}}, "server": {"port": 70000}},
        {"upstreams": {"d": {"kind": "demo"}}, "models": {"m": {"upstream": "d"}}},
        {"models": {}},
    ],
)
def test_an_editor_marks_what_is_wrong(wrong):
    assert faults(wrong)
