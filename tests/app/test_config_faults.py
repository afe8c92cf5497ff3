"""The configuration that is refused: each mistake with its place and what would be right."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from app.config import ConfigError, load

DIGITS = "0123456789abcdef" * 4
DEMO = "upstreams: {demo: {kind: demo}}\n"


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """The faults of this text as hyperbridge.yaml in the working directory, as they are printed."""
    monkeypatch.chdir(tmp_path)

    def faults_of(text: str, **environment: str) -> list[str]:
        path = Path("hyperbridge.yaml")
        path.write_text(dedent(text), "utf-8")
        with pytest.raises(ConfigError) as caught:
            load(path, environment)
        assert str(caught.value) == "\n".join(map(str, caught.value.faults))
        return str(caught.value).splitlines()

    return faults_of


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
        (
            DEMO + "limits: {rules: [{per: key, requests: 5/week}]}",
            "2:39: limits.rules[0].requests: must be an amount a period, like 100/hour; periods are minute, hour, day, month",
        ),
        (
            DEMO + "limits: {rules: [{per: key, usd: [5/day, 0/day]}]}",
            "2:34: limits.rules[0].usd: must be above 0 and at most 9007199.254740991 a period",
        ),
        (
            DEMO + "limits: {rules: [{per: keys, requests: 5/day}]}",
            "2:24: limits.rules[0].per: must be one of key, key+model, user, model, everyone, not 'keys'; did you mean 'key'?",
        ),
        (
            DEMO + "limits: {rules: [{per: key, requests: 5/day, models: [x]}]}",
            "2:55: limits.rules[0].models[0]: 'x' is neither a model nor upstream/* (known: 'demo/*')",
        ),
        (
            DEMO + "limits: {rules: [{per: key}]}",
            "2:18: limits.rules[0]: must set one of requests, tokens, usd, concurrent",
        ),
        (
            DEMO + "redis: {url: 'http://u:secret@host'}",
            "2:14: redis.url: must be a URL like redis://host:port; it begins with one of redis, rediss, unix, redis+s",
        ),
        (
            DEMO + "redis: {url: 'redis+sentinel://host:26379'}",
            "2:14: redis.url: must end in the name of the sentinels' master, like redis+sentinel://host:26379/name",
        ),
        (
            DEMO + "redis: {url: 'redis://host:0/0?tls=1'}",
            "2:14: redis.url: knows no 'tls' behind its ?; known is db",
        ),
        (
            DEMO + "redis: {url: 'redis://host:0/0?ssl_ca_certs=ca.pem'}",
            "2:14: redis.url: knows no 'ssl_ca_certs' behind its ?; known is db",
        ),
        (DEMO + "redis: {url: 'redis://host?db=abc'}", "2:14: redis.url: must have a number as db"),
        (DEMO + "redis: {url: 'redis://host/abc'}", "2:14: redis.url: must end in the number of a database"),
        (DEMO + "redis: {url: 'redis+cluster://host/3'}", "2:14: redis.url: must end behind the port"),
        (
            DEMO + "redis: {url: 'redis://host:99999'}",
            "2:14: redis.url: must be a URL like redis://host:port",
        ),
        (DEMO + "redis: {prefix: 'a b'}", "2:17: redis.prefix: must be 1 to 64 letters, digits and . _ -"),
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
        (
            DEMO + "models: {fast: demo/x, a: {upstream: demo, model: x, fallbacks: [fsat]}}",
            "2:66: models.a.fallbacks[0]: 'fsat' is neither a model nor upstream/model; did you mean 'fast'?",
        ),
        (
            DEMO + "models: {a: {upstream: demo, model: x, fallbacks: [{to: dmo/x}]}}",
            "2:57: models.a.fallbacks[0].to: 'dmo/x' is neither a model nor upstream/model",
        ),
        (
            DEMO + "models: {a: {upstream: demo, model: x, fallbacks: [a]}}",
            "2:52: models.a.fallbacks[0]: must be another model than the one that it stands in for",
        ),
        (
            DEMO + "models: {fast: demo/x}\nrouter: {encoder: {model: fsat, file: a.npz}}",
            "3:27: router.encoder.model: 'fsat' is neither a model nor upstream/model; did you mean 'fast'?",
        ),
        (
            DEMO + "models: {fast: demo/x, a: {upstream: demo, model: x, split: [{to: fsat, share: 0.1}]}}",
            "2:67: models.a.split[0].to: 'fsat' is neither a model nor upstream/model; did you mean 'fast'?",
        ),
        (
            DEMO + "models: {a: {upstream: demo, model: x, canary: {to: a, share: 0.1}}}",
            "2:53: models.a.canary.to: must be another model than the one whose calls it gets",
        ),
        (
            DEMO + "models: {b: {upstream: demo, model: y, canary: {to: demo/z, share: 0.1}}, "
            "a: {upstream: demo, model: x, shadow: {to: b}}}",
            "2:118: models.a.shadow.to: must not be a model whose own calls are split",
        ),
        (
            DEMO + "models: {a: {upstream: demo, model: x, split: [{to: demo/y, share: 0.6}, "
            "{to: demo/z, share: 0.3}], canary: {to: demo/y, share: 0.2}}}",
            "2:13: models.a: must not give away more than all calls: the shares of split and canary add up",
        ),
        (
            DEMO + "models: {a: {upstream: demo, model: x, shadow: {to: demo/y}}}\nstore: {url: null}",
            "2:48: models.a.shadow: needs a database to write down what it finds: name one in store.url",
        ),
        (
            DEMO
            + "models: {a: {upstream: demo, model: x, fallbacks: [{to: demo/y, when: [content_filter]}]}}",
            "2:72: models.a.fallbacks[0].when[0]: must be one of context_length, missing, rate_limit, server,",
        ),
        (
            DEMO + "models: {a: {upstream: demo, model: x, attempts: 0}}",
            "2:50: models.a.attempts: must be a whole number from 1 to 20, not 0",
        ),
        (
            DEMO + "models: {a: {upstream: demo, model: x, hedge: {share: 5}}}",
            "2:55: models.a.hedge.share: must be a number above 0, at most 1, not 5",
        ),
        (
            DEMO + "models: {a: {upstream: demo, model: x, timeout_seconds: 30s}}",
            "2:57: models.a.timeout_seconds: must be a number above 0, at most 86400, or null, not '30s'",
        ),
        (DEMO + "models: {demo/x: demo/x}", "2:10: models.demo/x: must not begin with 'demo/'"),
        (DEMO + "models: {'': demo/x}", "2:10: models.'': must be a name of letters, digits and"),
        (
            DEMO + "models: {a: {upstream: demo, model: x, defaults: {stream: true, model: b}}}",
            "2:50: models.a.defaults: must not set stream, model:",
        ),
        (DEMO + f"keys: [{{id: a b, sha256: {DIGITS}}}]", "2:13: keys[0].id: must be 1 to 64 letters"),
        (
            DEMO + f"keys: [{{id: eph, sha256: {DIGITS}}}]",
            "2:13: keys[0].id: 'eph' stands for short-lived keys",
        ),
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
            DEMO + "server: {host: 0.0.0.0}\nstore: {url: null}",
            "2:16: keys: at least one key is needed because server.host 0.0.0.0 is reachable from other machines;",
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
        ("http:///v1", "must be like http://host:port/v1"),
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
    assert fault.startswith("hyperbridge.yaml:1:40: upstreams.a.replicas[0]: ")
    assert reason in fault
    assert url.strip("/") not in fault


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


def test_a_missing_variable_is_named_with_its_line_and_only_once(faults):
    what_to_do = "is not set; set it, or write it into .env (see .env.example)"
    assert faults('server:\n  port: ${PORT}\nupstreams: {n: {kind: nebius, api_key: "${KEY}"}}\n') == [
        f"hyperbridge.yaml:2:9: server.port: the environment variable PORT {what_to_do}",
        f"hyperbridge.yaml:3:40: upstreams.n.api_key: the environment variable KEY {what_to_do}",
    ]


def test_a_reference_that_is_not_closed_is_a_fault_and_not_shown(faults):
    (fault,) = faults('upstreams: {n: {kind: nebius, api_key: "${secret-thing"}}')
    assert "write $$ for a dollar sign" in fault
    assert "secret" not in fault


def test_bytes_in_a_variable_that_are_no_utf_8_are_a_fault(faults):
    (fault,) = faults(DEMO + 'models: {a: {upstream: demo, model: m, defaults: {x: "${X}"}}}', X="\udc80")
    assert fault.endswith("models.a.defaults.x: is not valid Unicode text")


def test_a_fault_behind_an_anchor_is_told_where_it_is_written(faults):
    found = faults(
        """\
        upstreams:
          a: {kind: openai, url: http://a/v1, timeouts: &slow {totle: 1000}}
          b: {kind: openai, url: http://b/v1, timeouts: *slow}
        """
    )
    assert [fault.split(": ")[:2] for fault in found] == [
        ["hyperbridge.yaml:2:56", "upstreams.a.timeouts.totle"],
        ["hyperbridge.yaml:2:56", "upstreams.b.timeouts.totle"],
    ]
