"""The configuration's text as it is shown: literal secrets masked, everything else as it is written."""

import pytest

from app.config.masking import masked

MASK = '"**********"'
START = "upstreams:\n  up:\n    kind: openai\n    url: http://127.0.0.1:1/v1\n"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("    api_key: sk-é12345678 # mine\n", f"    api_key: {MASK} # mine\n"),
        (
            "    api_key: |-\n      sk-12345678\n    speaks: [chat]\n",
            f"    api_key: {MASK}\n    speaks: [chat]\n",
        ),
        ("    headers: {x-key: 'a b', y: '${Y}'}\n", f"    headers: {{x-key: {MASK}, y: '${{Y}}'}}\n"),
        ("    headers: {auth: 'Bearer ${TOKEN}'}\n", "    headers: {auth: 'Bearer ${TOKEN}'}\n"),
        ("    api_key: ${KEY:-sk-12345678}\n", f"    api_key: {MASK}\n"),
        ("    api_keey: sk-12345678\n", f"    api_keey: {MASK}\n"),
        ("redis: {url: 'redis://:secret@h/0'}\n", f"redis: {{url: {MASK}}}\n"),
        ("models: {m: {upstream: up, model: x, defaults: {a: b}}}\n",) * 2,
        ("keys: [{id: a, sha256: 00ff, models: [m]}]\n",) * 2,
    ],
)
def test_a_literal_secret_is_masked_and_nothing_else(written, shown):
    assert masked(START + written) == START + shown


def test_a_secret_that_is_named_elsewhere_is_masked_where_it_stands():
    text = (
        START
        + "    api_key: &k sk-12345678\n"
        + START.partition("\n")[2].replace("up:", "two:")
        + "    api_key: *k\n"
    )

    assert "sk-12345678" not in (masked(text) or "")


def test_of_what_is_no_yaml_nothing_is_shown():
    assert masked("api_key: [sk-12345678") is None
