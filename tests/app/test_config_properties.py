"""Properties of the configuration: any text ends in settings or in told faults, and no secret is ever told."""

import re
import string
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from app import yaml_source
from app.config import Config, ConfigError, load
from app.config.environment import parse_environment, substitute
from app.config.values import _base_url
from app.yaml_source import parse, plain_value

VALID: dict[str, Any] = {
    "server": {"host": "127.0.0.1", "port": 8000, "workers": 1, "drain_seconds": 30},
    "upstreams": {
        "demo": {"kind": "demo"},
        "nebius": {"kind": "nebius", "api_key": "${SECRET}", "max_tokens": 100, "speaks": ["chat"]},
        "local": {
            "kind": "vllm",
            "replicas": ["http://127.0.0.1:8101/v1"],
            "timeouts": {"connect": 1, "gap": 2},
        },
        "ollama": {"kind": "openai", "url": "http://127.0.0.1:11434/v1", "headers": {"x-project": "a"}},
        "gguf": {"kind": "embedded", "model": "m.gguf", "threads": None, "loras": {"p": {"path": "p.gguf"}}},
    },
    "models": {"demo": "demo/demo", "long": {"upstream": "local", "model": "m", "defaults": {"seed": 1}}},
    "keys": [{"id": "frontend", "sha256": "0" * 64, "models": ["demo", "local/m"]}],
    "metrics": {"enabled": True},
    "logs": {"level": "info", "file": None},
}
NAMES = sorted({
    *re.findall(r"[a-z_0-9]{2,}", str(VALID)),
    "hosst",
    "*",
    "<<",
    "",
    "a/b",
    "0.0.0.0",
    "${A}",
    "${A:-x}",
    "${",
})
FREE: list[tuple[Any, ...]] = [
    (),
    ("server",),
    ("upstreams", "demo"),
    ("upstreams", "local", "timeouts"),
    ("upstreams", "gguf", "loras", "p"),
]
FREE += [("models", "long"), ("keys", 0), ("logs",)]
"""Mappings of the valid file whose names are fixed."""

patient = settings(deadline=None)
"""Reading a file can take its time on a busy disk."""

secrets = st.text(string.ascii_letters, min_size=8, max_size=12).map(lambda text: f"zQ{text}Qz")
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NAMES) | st.text()
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def outcome(text: str, **environment: str) -> Config | ConfigError:
    """What becomes of this text; any other exception than a ConfigError is the test's failure."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "hyperbridge.yaml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            return load(path, environment)
        except ConfigError as error:
            return error


def dumped(tree: Any) -> str:
    return yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)


def told(result: Config | ConfigError) -> str:
    """All that is said about a configuration."""
    return f"{result.warnings} {result.redacted()}" if isinstance(result, Config) else f"{result} {result!r}"


def paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for name, member in (
        tree.items() if isinstance(tree, dict) else enumerate(tree if isinstance(tree, list) else ())
    ):
        yield from paths(member, (*path, name))


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    return at(tree[path[0]], path[1:]) if path else tree


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The tree with another value at this path."""
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = changed(tree[path[0]], path[1:], value)
    return copy


places = st.sampled_from(list(paths(VALID)))


@patient
@given(st.text())
@example("upstreams: {a: {kind: [b]}}")
@example("upstreams: {a: {kind: {b: c}}}")
@example("? {a: b}\n: c")
@example("a: !<tag:yaml.org,2002:python/object/apply:os.system> [ls]")
@example("a: 2020-99-99\n=: <<")
@example(
    "upstreams: {demo: {kind: demo}}\nserver: {port: 1e999, workers: 99999999999999999999999999999999999}"
)
@example("\ud800")
def test_any_text_gives_settings_or_told_faults(text):
    assert told(outcome(text))


@patient
@given(trees)
def test_any_tree_gives_settings_or_told_faults(tree):
    assert told(outcome(dumped(tree), A="b"))


@patient
@given(places, trees, secrets)
def test_one_value_of_a_valid_file_replaced_by_any_other_never_tells_the_secret(path, value, secret):
    assert secret not in told(outcome(dumped(changed(VALID, path, value)), SECRET=secret, A=secret))


@patient
@given(places, secrets, st.sampled_from(["${WORD}", "some/${WORD}", "${WORD}/some", "http://${WORD}/x?"]))
def test_a_variable_s_text_is_never_told_wherever_it_stands(path, secret, reference):
    assert secret not in told(outcome(dumped(changed(VALID, path, reference)), SECRET="known", WORD=secret))


@patient
@given(secrets, st.text(" \n\t'\":#é{}[],&*!|>%@`-?\\", max_size=3), st.text(" \n\t'\"#é", max_size=2))
def test_a_key_written_into_the_file_is_never_told_whatever_stands_around_it(secret, before, after):
    for kind in ("nebius", "openai", "vllm", "demo", "nothing"):
        members = f"    kind: {kind}\n    api_key: {before}{secret}{after}\n    url: 3\n"
        assert secret not in told(outcome(f"upstreams:\n  n:\n{members}"))


@patient
@given(
    st.lists(
        st.tuples(st.sampled_from(FREE), st.text(string.ascii_lowercase, min_size=1)), min_size=1, max_size=4
    )
)
def test_every_unknown_setting_is_told_with_its_line(additions):
    tree = VALID
    names = {f"un{index}{name}": path for index, (path, name) in enumerate(additions)}
    for name, path in names.items():
        tree = changed(tree, path, {**at(tree, path), name: 1})
    text = dumped(tree)
    result = outcome(text, SECRET="known")
    assert isinstance(result, ConfigError)
    lines = {
        name: next(n for n, line in enumerate(text.splitlines(), 1) if f"{name}: 1" in line) for name in names
    }
    found = {fault.path.rpartition(".")[2]: fault for fault in result.faults}
    assert {name: fault.line for name, fault in found.items()} == lines
    assert all(fault.message.startswith("unknown setting") for fault in result.faults)


@given(trees)
def test_the_parser_in_c_and_the_one_in_python_read_the_same_tree_at_the_same_places(tree):
    text = dumped(tree)
    with pytest.MonkeyPatch.context() as patch:
        read = parse(text)
        patch.setattr(yaml_source, "LOADER", yaml.SafeLoader)
        assert parse(text) == read


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True),
        st.text(st.characters(exclude_characters="\n\r")),
    )
)
def test_dot_env_gives_back_what_was_quoted(variables):
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in variables.items()}
    text = "\n".join(f'export {name}="{value}" # why' for name, value in quoted.items())
    assert parse_environment(text) == variables


@given(st.text())
def test_any_dot_env_gives_variables_or_told_faults(text):
    with suppress(ConfigError):
        assert all(name.isidentifier() for name in parse_environment(text))


@given(st.text())
def test_a_text_whose_dollars_are_doubled_is_itself(text):
    result = substitute(text.replace("$", "$$"), {})
    assert (result.text, result.hidden, result.missing, result.broken) == (text, False, (), False)


@given(
    st.integers(-(10**29), 10**29)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_numbers_flags_and_null_are_read_as_written(value):
    words = {"None": "null", "True": "true", "False": "false"}
    written = words.get(repr(value), repr(value))
    assert plain_value(written) == value


@given(st.from_regex(r"https?://[a-zA-Z0-9.\[\]:-]{1,12}(/[a-z0-9/.]{0,12})?", fullmatch=True))
def test_a_url_found_valid_stays_as_it_is(url):
    try:
        once = _base_url(url)
    except PydanticCustomError:
        return
    assert _base_url(once) == once
    assert not once.endswith("/")
