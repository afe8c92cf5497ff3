"""The configuration: what loads, what is refused, and how that is said."""

import re
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


@pytest.fixture
def faults(read):
    """The faults of this text, as they are printed."""

    def faults_of(text: str, **environment: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, **environment)
        assert str(caught.value) == "\n".join(map(str, caught.value.faults))
        return str(caught.value).splitlines()

    return faults_of


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
    assert read(DEMO + "models:\nkeys:\nserver:\nlogs:\n") == read(DEMO)


def test_anchors_work_and_a_fault_in_them_is_told_once_where_it_is_written(read, faults):
    text = """
        upstreams:
          a: {kind: openai, url: http://a/v1, timeouts: &slow {total: 1000}}
          b: {kind: openai, url: http://b/v1, timeouts: *slow}
        """
    config = read(text)
    assert config.upstreams["a"].timeouts == config.upstreams["b"].timeouts
    assert [fault.split(":")[1:3] for fault in faults(text.replace("total", "totle"))] == [["3", "56"]] * 2


def test_yaml_1_1_s_surprises_are_left_out(read, faults):
    config = read(
        DEMO + "models: {a: {upstream: demo, model: no, defaults: {b: 1:30, c: 010, d: 2020-01-01}}}"
    )
    assert config.models["a"].model == "no"
    assert config.models["a"].defaults == {"b": "1:30", "c": 10, "d": "2020-01-01"}
    assert "must be true or false, not 'on'" in faults(DEMO + "metrics: {enabled: on}")[0]


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


def test_a_missing_variable_is_named_with_its_line_and_only_once(faults):
    assert faults('server:\n  port: ${PORT}\nupstreams: {n: {kind: nebius, api_key: "${KEY}"}}\n') == [
        "hyperbridge.yaml:2:9: server.port: the environment variable PORT is not set; "
        "set it, or write it into .env (see .env.example)",
        "hyperbridge.yaml:3:40: upstreams.n.api_key: the environment variable KEY is not set; "
        "set it, or write it into .env (see .env.example)",
    ]


def test_a_reference_that_is_not_closed_is_a_fault_and_not_shown(faults):
    (fault,) = faults('upstreams: {n: {kind: nebius, api_key: "${secret-thing"}}')
    assert "write $$ for a dollar sign" in fault
    assert "secret" not in fault


def test_bytes_in_a_variable_that_are_no_utf_8_are_a_fault(faults):
    (fault,) = faults(DEMO + 'models: {a: {upstream: demo, model: m, defaults: {x: "${X}"}}}', X="\udc80")
    assert fault.endswith("models.a.defaults.x: is not valid Unicode text")


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


# What is refused


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "1:1: must be a mapping"),
        ("upstreams: {}", "1:12: upstreams: must not be empty"),
        ("server: {}", "1:1: upstreams: is missing; it must be a mapping"),
        ("a: [", "2:1: not valid YAML: did not find expected node content"),
        (DEMO + "---\n", "2:1: a second document starts here; the file must hold one"),
        (
            DEMO + "logs: {level: !!foo info}",
            "2:15: logs.level: a tag (!) is not accepted here; leave it out",
        ),
        (DEMO + "server: {port: 1, port: 2}", "2:19: server.port: named twice, first in line 2; keep one"),
        (DEMO + "server: {prt: 1}", "2:10: server.prt: unknown setting; did you mean 'port'?"),
        (DEMO + "servers: {}", "2:1: servers: unknown setting; did you mean 'server'?"),
        (
            DEMO + "server: {port: '80'}",
            "2:16: server.port: must be a whole number from 0 to 65535, not '80'",
        ),
        (
            DEMO + "server: {port: 65536}",
            "2:16: server.port: must be a whole number from 0 to 65535, not 65536",
        ),
        (DEMO + "server: {workers: 0}", "2:19: server.workers: must be a whole number from 1 to 64, not 0"),
        (DEMO + "server: {host: a b}", "2:16: server.host: must be an address or a host name"),
        (DEMO + "server: {host: 127.1}", "2:16: server.host: must be an address or a host name"),
        (
            DEMO + "logs: {level: inf}",
            "2:15: logs.level: must be one of debug, info, warning, error, not 'inf'",
        ),
        (
            "upstreams: {a: {kind: vlm}}",
            "1:23: upstreams.a.kind: must be one of demo, embedded, nebius, openai,",
        ),
        ("upstreams: {a: {}}", "1:13: upstreams.a.kind: is missing; it must be one of"),
        ("upstreams: {A: {kind: demo}}", "1:13: upstreams.A: must be a name of lower-case letters"),
        ("upstreams: {a: {kind: nebius}}", "1:13: upstreams.a.api_key: is missing; it must be text"),
        ("upstreams: {a: {kind: nebius, api_key: ''}}", "1:40: upstreams.a.api_key: must not be empty"),
        (
            DEMO + "models: {a: dmo/x}",
            "2:10: models.a.upstream: 'dmo' is not an upstream; did you mean 'demo'?",
        ),
        (DEMO + "models: {a: demo}", "2:13: models.a: must be upstream/model"),
        (DEMO + "models: {demo/x: demo/x}", "2:10: models.demo/x: must not begin with 'demo/'"),
        (DEMO + "models: {'': demo/x}", "2:10: models.'': must be a name of letters, digits and"),
        (
            DEMO + "models: {a: {upstream: demo, model: x, defaults: {stream: true, model: b}}}",
            "2:50: models.a.defaults: must not set stream, model:",
        ),
        (DEMO + f"keys: [{{id: a b, sha256: {DIGITS}}}]", "2:13: keys[0].id: must be 1 to 64 letters"),
        (DEMO + "keys: [{id: a, sha256: my-key}]", "2:24: keys[0].sha256: must be the 64 hex digits"),
        (
            DEMO
            + "keys: [{id: a, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}]",
            "2:24: keys[0].sha256: must not be the hash of an empty key",
        ),
        (
            DEMO + f"models: {{fast: demo/x}}\nkeys: [{{id: a, sha256: {DIGITS}, models: [fsat]}}]",
            "3:99: keys[0].models[0]: 'fsat' is neither a model nor upstream/model; did you mean 'fast'? (known: fast)",
        ),
        (
            DEMO + f"keys: [{{id: a, sha256: {DIGITS}}}, {{id: a, sha256: {'0' * 64}}}]",
            "2:96: keys[1].id: another key has this id",
        ),
        (
            DEMO + "server: {host: 0.0.0.0}",
            "2:16: keys: at least one key is needed because server.host 0.0.0.0 is reachable from other machines; "
            "`hyperbridge keys new NAME` makes one",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(faults, text, fault):
    (found,) = faults(text)
    assert found.startswith(f"hyperbridge.yaml:{fault}")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:8000/v1", "must begin with http:// or https://"),
        ("http://", "must be like http://host:port/v1"),
        ("http://user:word@host/v1", "must not hold a user or a password"),
        ("http://host/v1?key=word", "must end before any ? or #"),
        ("http://host/v1#word", "must end before any ? or #"),
        ("http://host:99999/v1", "is not a URL"),
        ("http://[::1/v1", "is not a URL"),
        ("http://ho st/v1", "must be like http://host:port/v1"),
        ("http://host/v1/chat/completions/", "leave out the operation's own path"),
    ],
)
def test_a_url_must_be_the_plain_base_of_an_api_and_is_not_repeated(faults, url, reason):
    (fault,) = faults(f"upstreams: {{a: {{kind: vllm, replicas: ['{url}']}}}}")
    assert f"upstreams.a.replicas[0]: {reason}" in fault.replace(
        "a.replicas[0]: must be the base of the API, ending in /v1:", "a.replicas[0]:"
    )
    assert "word" not in fault.replace("password", "")


@pytest.mark.parametrize("name", ["Authorization", "host", "Content-Length", "transfer-encoding", "a b", ""])
def test_a_header_that_the_gateway_sets_or_that_is_none_is_refused(faults, name):
    (fault,) = faults(f"upstreams: {{o: {{kind: openai, url: http://a/v1, headers: {{'{name}': word}}}}}}")
    assert "upstreams.o.headers." in fault
    assert "word" not in fault


def test_one_header_in_two_spellings_is_refused(faults):
    (fault,) = faults("upstreams: {o: {kind: openai, url: http://a/v1, headers: {x-a: b, X-A: c}}}")
    assert "names one header in two spellings" in fault


def test_the_whole_call_may_not_end_before_its_first_content(faults):
    (fault,) = faults("upstreams: {o: {kind: openai, url: http://a/v1, timeouts: {total: 5}}}")
    assert fault.endswith("upstreams.o.timeouts: total must be at least first_content")


def test_all_faults_of_all_sections_are_told_at_once_in_the_file_s_order(faults):
    found = faults(
        """\
        server:
          prot: 1
          workers: many
        upstreams:
          a: {kind: demo, url: http://a}
          b: {kind: openai}
          c: {kind: nope}
        models:
          m: z/z
        keys:
          - {id: "?", models: [w]}
        what: ever
        """
    )
    assert [int(fault.split(":")[1]) for fault in found] == [2, 3, 5, 6, 7, 9, 11, 11, 11, 12]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20)
        ),
        "a: &a [*a]",
        "[" * 100_000,
        "a:\n" + "".join(f"  b{n}: 1\n" for n in range(30_000)),
        "# " + "x" * 1024 * 1024,
    ],
    ids=["nested aliases", "an alias of itself", "deep nesting", "many values", "a large file"],
)
def test_a_file_past_its_bounds_is_refused_before_it_grows(faults, text):
    (fault,) = faults(text)
    assert re.search(
        r"more than 20000 values|is not complete|32 levels deep|larger than 1048576 bytes", fault
    )


def test_a_file_that_is_missing_or_not_text_is_a_config_error(tmp_path):
    (tmp_path / "bytes").write_bytes(b"a: b\n\xff")
    for name, reason in (
        ("none", "1:1: there is no such file"),
        ("bytes", "2:1: not valid UTF-8"),
        ("", "cannot be"),
    ):
        with pytest.raises(ConfigError, match=reason):
            load(tmp_path / name, {})


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
        "5:42: upstreams.l.replicas[1]: is listed twice; it would get twice the calls",
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
