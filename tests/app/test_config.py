"""The configuration that loads: its values, its environment, and what is shown of it."""

from pathlib import Path
from textwrap import dedent

import pytest

from app.config import Config, ConfigError, Demo, Embedded, Nebius, OpenAI, Vllm, load, read_environment
from app.config.environment import parse_environment
from app.config.upstreams import ALL_OPERATIONS, TimeoutSettings
from app.contracts import Timeouts
from app.operations import OPERATIONS

DIGITS = "0123456789abcdef" * 4
DEMO = "upstreams: {demo: {kind: demo}}\n"


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Load this text as hyperbridge.yaml in the working directory."""
    monkeypatch.chdir(tmp_path)

    def read_text(text: str, **environment: str) -> Config:
        Path("hyperbridge.yaml").write_text(dedent(text), "utf-8")
        return load(Path("hyperbridge.yaml"), environment)

    return read_text


# What loads


def test_a_demo_upstream_is_enough_and_everything_else_has_a_default(read):
    config = read(DEMO)
    assert isinstance(config.upstreams["demo"], Demo)
    assert (config.server.host, config.server.port, config.server.workers) == ("127.0.0.1", 8000, 1)
    assert (config.models, config.keys, config.warnings) == ({}, (), ())
    assert config.metrics.enabled
    assert config.logs.file is None


def test_every_kind_loads_with_its_defaults(read):
    config = read(
        """
        upstreams:
          nebius: {kind: nebius, api_key: "${NEBIUS_API_KEY}"}
          local: {kind: vllm, replicas: ["http://127.0.0.1:8101/v1"], api_key: null}
          ollama: {kind: openai, url: "http://LOCALHOST:11434/v1/"}
          gguf: {kind: embedded, model: ./model.gguf, loras: {poet: {path: /tmp/poet.gguf}}}
        """,
        NEBIUS_API_KEY="secret",
    )
    nebius, local, ollama, gguf = config.upstreams.values()
    assert isinstance(nebius, Nebius)
    assert nebius.bases == ("https://api.tokenfactory.nebius.com/v1",)
    assert (nebius.api_key.get_secret_value(), nebius.max_tokens) == ("secret", 4096)
    assert isinstance(local, Vllm)
    assert (local.api_key, local.speaks) == (None, ALL_OPERATIONS)
    assert isinstance(ollama, OpenAI)
    assert (ollama.bases, ollama.max_connections) == (("http://localhost:11434/v1",), 1000)
    assert isinstance(gguf, Embedded)
    assert gguf.model == Path.cwd() / "model.gguf"
    assert gguf.loras["poet"].path == Path("/tmp/poet.gguf")


def test_the_operations_that_upstreams_speak_are_those_the_gateway_knows():
    assert list(ALL_OPERATIONS) == [operation.name for operation in OPERATIONS.values()]


def test_timeouts_are_the_contract_s_own_and_so_are_their_defaults(read):
    config = read("upstreams: {o: {kind: openai, url: http://a/v1, timeouts: {gap: 7}}}")
    upstream = config.upstreams["o"]
    assert isinstance(upstream, OpenAI)
    assert isinstance(upstream.timeouts, Timeouts)
    assert upstream.timeouts == TimeoutSettings(gap=7)
    assert upstream.timeouts.total == Timeouts().total


def test_the_short_form_of_a_model_splits_at_the_first_slash(read):
    config = read(DEMO + "models: {llama-3.3/instruct: demo/meta-llama/Llama:free}")
    model = config.models["llama-3.3/instruct"]
    assert (model.upstream, model.model, model.defaults) == ("demo", "meta-llama/Llama:free", {})


def test_a_key_may_use_what_it_lists_a_star_is_every_model_and_an_empty_list_is_none(read):
    config = read(
        f"""
        {DEMO}
        models: {{fast: demo/fast}}
        keys:
          - {{id: some, sha256: {DIGITS}, models: [fast, demo/other]}}
          - {{id: all, sha256: {"1" * 64}, models: ["*"]}}
          - {{id: none, sha256: {"2" * 64}}}
        """
    )
    assert [key.allowed for key in config.keys] == [frozenset({"fast", "demo/other"}), None, frozenset()]
    assert [warning.partition(": ")[0] for warning in config.warnings] == ["hyperbridge.yaml:8:5"]


def test_a_section_whose_members_are_commented_out_is_one_that_is_absent(read):
    assert read(DEMO + "models:\nkeys:\nserver:\nlogs:\n").redacted() == read(DEMO).redacted()


def test_anchors_work(read):
    config = read(
        """
        upstreams:
          a: {kind: openai, url: http://a/v1, timeouts: &slow {total: 1000}}
          b: {kind: openai, url: http://b/v1, timeouts: *slow}
        """
    )
    assert config.upstreams["a"].timeouts == config.upstreams["b"].timeouts


def test_yaml_1_1_s_surprises_are_left_out(read):
    config = read(
        DEMO + "models: {a: {upstream: demo, model: no, defaults: {b: 1:30, c: 010, d: 2020-01-01}}}"
    )
    assert config.models["a"].model == "no"
    assert config.models["a"].defaults == {"b": "1:30", "c": 10, "d": "2020-01-01"}


# The environment


def test_references_are_replaced_and_numbers_and_flags_are_read_from_their_text(read):
    config = read(
        """
        server: {port: "${PORT}", drain_seconds: "${DRAIN:-2.5}"}
        upstreams:
          demo: {kind: demo}
          o: {kind: openai, url: "http://${HOST:-localhost}/v1", api_key: "${KEY:-}"}
        models: {a: {upstream: demo, model: "$${x}$y", defaults: {temperature: "${T}"}}}
        metrics: {enabled: "${ON}"}
        """,
        PORT="8001",
        HOST="",
        T="0.5",
        ON="false",
    )
    assert (config.server.port, config.server.drain_seconds, config.metrics.enabled) == (8001, 2.5, False)
    upstream = config.upstreams["o"]
    assert isinstance(upstream, OpenAI)
    assert (upstream.url, upstream.api_key) == ("http://localhost/v1", None)
    assert (config.models["a"].model, config.models["a"].defaults) == ("${x}$y", {"temperature": 0.5})


def test_dot_env_is_read_under_the_process_s_variables(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("HB_ONE=file\nHB_TWO=file\n")
    monkeypatch.setenv("HB_ONE", "process")
    environment = read_environment(tmp_path)
    assert (environment["HB_ONE"], environment["HB_TWO"]) == ("process", "file")
    assert "HB_TWO" not in read_environment(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("export A = b c  # why", "b c"),
        ("A=b#c", "b#c"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A='b # $c' # why", "b # $c"),
        (r'A="b\n\"c\""', 'b\n"c"'),
        ("A=b\r", "b"),
        ("# A=c\n\nA=b=c", "b=c"),
    ],
)
def test_dot_env_understands(line, value):
    assert parse_environment(line) == {"A": value}


def test_dot_env_s_faults_name_their_lines_and_never_the_values():
    with pytest.raises(ConfigError) as caught:
        parse_environment('A=b\nsecret1\nB=\'secret2\nC="secret3" secret4\n')
    assert [fault.line for fault in caught.value.faults] == [2, 3, 4]
    assert "secret" not in str(caught.value)


# What is odd, and what is shown


def test_what_is_probably_not_meant_is_a_warning(read):
    config = read(
        """
        server: {workers: 2}
        upstreams:
          n: {kind: nebius, api_key: literal, url: http://example.com/v1}
          l: {kind: vllm, replicas: ["http://a", "http://a"]}
          g: {kind: embedded, model: absent.gguf}
        """
    )
    assert [warning.removeprefix("hyperbridge.yaml:") for warning in config.warnings] == [
        "4:30: upstreams.n.api_key: is written in the file; ${NAME} would keep the key out of it",
        "4:44: upstreams.n.url: is not encrypted, so the key can be read on its way; use https",
        "5:30: upstreams.l.replicas[0]: does not end in one /v1, as the base of an OpenAI API usually does",
        "5:42: upstreams.l.replicas[1]: does not end in one /v1, as the base of an OpenAI API usually does",
        "5:42: upstreams.l.replicas[1]: is listed twice; it counts once",
        "6:6: upstreams.g: each of the 2 workers loads its own copy",
        "6:30: upstreams.g.model: there is no such file yet",
    ]


def test_another_host_than_loopback_is_allowed_with_a_key(read):
    for host in ("0.0.0.0", "'::'", "gateway.example"):
        assert read(
            f"{DEMO}server: {{host: {host}}}\nkeys: [{{id: a, sha256: {DIGITS}, models: ['*']}}]"
        ).keys
    for host in ("localhost", "127.8.9.1", "'::1'"):
        assert read(f"{DEMO}server: {{host: {host}}}")


def test_the_redacted_settings_hold_no_secret(read):
    config = read(
        f"""
        upstreams:
          n: {{kind: nebius, api_key: "${{A}}", headers: {{X-Project: hidden}}, url: "https://${{B}}/v1"}}
          o: {{kind: openai, url: http://localhost/v1, api_key: hidden}}
        models: {{m: {{upstream: n, model: m, defaults: {{user: "${{C}}", top_k: "${{D}}"}}}}}}
        keys: [{{id: a, sha256: {DIGITS}, models: [m]}}]
        """,
        A="hidden-a",
        B="hidden-b",
        C="hidden-c",
        D="40",
    )
    shown = config.redacted()
    assert "hidden" not in str(shown)
    assert DIGITS not in str(shown)
    assert shown["models"]["m"]["defaults"]["top_k"] == 40
    assert "hidden" not in repr(config).replace("hidden-b", "").replace("hidden-c", "")


def test_settings_cannot_be_changed(read):
    config = read(DEMO)
    with pytest.raises(ValueError, match="frozen"):
        config.server.port = 1
