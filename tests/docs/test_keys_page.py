"""docs/keys.md says what the code does, and its scripts run: a server that lends a key, and a page that uses it."""

import re
from hashlib import sha256

import pytest

from app.config import AllowanceSettings
from app.keys.granting import WantedGrant
from app.keys.grants import DEFAULT_SECONDS, MAX_SECONDS
from app.keys.wanted import WantedKey
from tests.deploy.files import tool
from tests.docs.pages import codes, fences, prose, tables
from tests.docs.test_examples import ANSWER, SHOWN_AT, packages, ran
from tests.sdk.test_node import HERE as NODE
from tests.support.process import ROOT, run, serving

__all__ = ["packages"]

PAGE = ROOT / "docs/keys.md"
KEY = "hb-backend-0001"


def test_the_options_are_those_of_the_command():
    [rows] = tables(PAGE, "## Make one")
    told = {option.split()[0] for row in rows for option in codes(row[0])}
    offered = set(re.findall(r"(--[a-z-]+)", run("keys", "create", "--help").stdout))

    assert told == offered - {"--help", "--config", "--json"}


def test_the_members_are_those_of_the_bodies():
    [rows] = tables(PAGE, "## Keys for browsers")
    assert {codes(row[0])[0] for row in rows} == set(WantedGrant.model_fields)
    assert f"1 to {MAX_SECONDS}; {DEFAULT_SECONDS} if left out" in rows[0][1]
    limits = next(row[1] for row in rows if row[0] == "`limits`")
    assert set(codes(limits)) == set(AllowanceSettings.model_fields)

    [rows] = tables(PAGE, "## Over HTTP")
    made = next(row[1] for row in rows if row[0] == "`POST /admin/keys`")
    assert set(codes(made)) - {'["*"]', "key"} == set(WantedKey.model_fields)


@pytest.mark.usefixtures("packages")
def test_a_server_lends_a_key_and_a_page_uses_it(tmp_path):
    tool("node")
    path = tmp_path / "hyperbridge.yaml"
    path.write_text(
        "upstreams: {demo: {kind: demo}}\nmodels: {demo: demo/demo}\nstore: {url: null}\n"
        f"keys: [{{id: backend, sha256: {sha256(KEY.encode()).hexdigest()}, models: [demo]}}]\n"
    )
    server, page = fences(PAGE, "js")
    script = f"{server.text}\n{page.text}".replace(
        'await (await fetch("/chat-key")).json()', 'await lend("v1")'
    )
    assert "/chat-key" in server.text
    assert 'lend("v1")' in script

    with serving(tmp_path, "--config", str(path)) as (_, url):
        said = ran(
            *("node", "--input-type=module", "--eval", script.replace(SHOWN_AT, url)),
            cwd=NODE,
            HYPERBRIDGE_KEY=KEY,
        )

    assert said == ANSWER.text
    assert "HYPERBRIDGE_SIGNING_KEY" in prose(PAGE)
