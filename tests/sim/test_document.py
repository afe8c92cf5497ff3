"""docs/upstream-sim.md tells what is there, and what it shows works."""

import re

import httpx

from sim.command import KEPT
from sim.script import manual
from tests.docs.pages import codes, fences, tables
from tests.sim.asking import body, chunks
from tests.sim.test_command import simulating
from tests.support.gateway import gateway_of
from tests.support.process import ROOT, run

PAGE = ROOT / "docs/upstream-sim.md"


def test_the_table_has_every_member_with_its_default_and_meaning():
    (table,) = tables(PAGE, "## What it does is in the model's name")

    shown = [[name.strip("`"), default.strip("`"), meaning] for name, default, meaning in table]

    assert shown == [list(member) for member in manual()]


def test_the_table_has_every_kind():
    (table,) = tables(PAGE, "## Kinds")
    choices = re.search(r"--kind \{(.+)\}", run("upstream-sim", "--help").stdout)

    assert choices is not None
    assert {row[0].strip("`") for row in table} == set(choices[1].split(","))


def test_its_options_exist():
    told = run("upstream-sim", "--help").stdout
    named = {code for code in codes(PAGE.read_text("utf-8")) if code.startswith("--")}

    assert named
    assert all(option in told for option in named)
    assert f"{KEPT:,} requests" in PAGE.read_text("utf-8")


async def test_its_two_commands_show_a_retry_a_fallback_and_a_rescue(tmp_path):
    (yaml,) = fences(PAGE, "yaml")
    (commands,) = fences(PAGE, "sh")
    arguments = commands.text.splitlines()[0].split()[2:]
    with simulating(*arguments) as (_, url):
        configuration = yaml.text.replace("http://127.0.0.1:9000", url)
        async with gateway_of(configuration, tmp_path) as gateway, httpx.AsyncClient(timeout=20) as http:
            asked = f"{gateway.url}/v1/chat/completions"
            shaky = await http.post(asked, json=body("shaky"))
            down = await http.post(asked, json=body("down"))
            broken = await http.post(asked, json=body("broken", stream=True))
            seen = (await http.get(f"{url}/sim/seen")).json()["seen"]

    deltas = [
        chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks(broken) if chunk["choices"]
    ]
    assert (shaky.status_code, shaky.headers["x-hyperbridge-attempts"]) == (200, "2")
    assert "".join(deltas) == "".join(f"word{number} " for number in range(20))
    assert (down.status_code, down.headers["x-hyperbridge-model"]) == (200, "twin?chunks=20")
    assert [line["status"] for line in seen if line["method"] == "POST"][:4] == [503, 200, 503, 200]
    assert sum(line["sent_tokens"] for line in seen) == 5 + 20 + 20
