"""The default configuration, the example of the environment and the reference agree with the code."""

import re
from pathlib import Path

import pytest

from app.config import load
from app.config.environment import parse_environment
from app.config.reference import BEGIN, END, settings_table, with_table

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "hyperbridge.yaml"
REFERENCE = ROOT / "docs" / "configuration.md"


def uncommented(text: str) -> str:
    """The default configuration with all its examples in force: the lines with no space after their #."""
    return re.sub(r"(?m)^( *)#(?=[a-z]| {2})", r"\1", text)


def test_the_default_configuration_works_with_no_variable_and_no_warning():
    config = load(DEFAULT, {})
    assert [upstream.kind for upstream in config.upstreams.values()] == ["demo", "embedded"]
    assert (config.server.host, config.warnings) == ("127.0.0.1", ())


def test_the_default_configuration_fits_on_a_page():
    assert len(DEFAULT.read_text("utf-8").splitlines()) <= 90


def test_every_example_in_the_default_configuration_is_a_valid_one(tmp_path):
    path = tmp_path / DEFAULT.name
    (tmp_path / "models").symlink_to(ROOT / "models")
    path.write_text(uncommented(DEFAULT.read_text("utf-8")), "utf-8")
    config = load(path, {"NEBIUS_API_KEY": "key"})
    assert {upstream.kind for upstream in config.upstreams.values()} == {
        "demo",
        "nebius",
        "vllm",
        "openai",
        "embedded",
    }
    own = {"demo", "demo:desk", "demo:risk", "demo:ideas"}
    assert set(config.models) == {*own, "fast", "trading-analysis"}
    assert [key.id for key in config.keys] == ["frontend"]
    odd = ("file yet", "own copy", "part of every limit")
    assert all(any(each in warning for each in odd) for warning in config.warnings)


@pytest.mark.parametrize("page", [DEFAULT, REFERENCE])
def test_the_example_of_the_environment_names_every_variable_that_is_mentioned(page):
    named = set(re.findall(r"\$\{([A-Z_]+)", page.read_text("utf-8"))) - {"NAME"}
    assert named <= set(parse_environment((ROOT / ".env.example").read_text("utf-8")))


def test_the_example_of_the_environment_holds_no_secret():
    values = parse_environment((ROOT / ".env.example").read_text("utf-8"))
    assert {name for name, value in values.items() if value} == {"PORT"}


def test_the_reference_s_tables_are_those_made_from_the_settings():
    page = REFERENCE.read_text("utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert with_table(page) == page, "run `python -m app.config docs/configuration.md`"


@pytest.mark.parametrize(
    "row",
    [
        "`server.port` | a whole number from 0 to 65535 | `8000` |",
        "`upstreams.NAME.timeouts.gap` | a number above 0, at most 86400 | `60` |",
        "`upstreams.NAME.loras.NAME.scale` | a number | `1` |",
        "`models.NAME.upstream` | text | required |",
        "`keys[].models` | a list, each a model's name | `[]` |",
        "`logs.file` | the path of a file, or null | `null` |",
    ],
)
def test_the_tables_name_each_setting_with_its_value_and_default(row):
    assert f"| {row}" in settings_table()
