"""The texts that savings are measured on."""

import json
import os
import subprocess
import sys

from bench.texts import PAYING, PLAIN, SOURCES, missing, sessions, tables, texts
from tests.support.process import ROOT

_DIGEST = """
from hashlib import sha256
from bench.texts import logs, tables
made = (logs.nginx, logs.sshd, logs.systemd, logs.spring, logs.kubernetes, logs.json_lines, logs.hdfs, logs.openstack,
        tables.ticks_json, tables.candles_csv, tables.reservations, tables.users, tables.inventory)
print(sha256("".join(source() for source in made).encode()).hexdigest())
"""


def digest(seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.check_output([sys.executable, "-c", _DIGEST], cwd=ROOT, env=environment, text=True)


def test_what_is_made_up_is_the_same_in_every_process():
    assert digest("1") == digest("2")


def test_every_text_has_a_kind_that_is_known_and_enough_to_measure():
    found = list(texts())

    assert {text.kind for text in found} <= {*PAYING, *PLAIN}
    assert all(2_000 <= len(text.content) <= 60_000 for text in found)
    assert {text.name for text in found} | set(missing()) == set(SOURCES)


def test_only_texts_of_the_machine_may_be_missing():
    made = {name for name, (_, source) in SOURCES.items() if source.__module__.endswith((".logs", ".tables"))}

    assert {name for name in missing() if not name.startswith("dpkg.")} & made == set()


def test_the_tables_are_json_and_say_the_same_in_each_way_of_writing():
    pretty, compact = json.loads(tables.packages_pretty()), json.loads(tables.packages_compact())

    assert pretty == compact == [json.loads(line) for line in tables.packages_lines().splitlines()]


def test_a_session_of_tools_is_one_that_an_api_takes():
    for messages in (sessions.agent_session(), sessions.sre_session()):
        called = [call["id"] for message in messages for call in message.get("tool_calls", ())]
        answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]

        assert called == answered
        assert len(set(called)) == len(called)


def test_the_long_session_has_its_outputs():
    outputs = [message["content"] for message in sessions.sre_session() if message["role"] == "tool"]

    assert len(outputs) == sessions.SRE_OUTPUTS
    assert all(0 < output.count("\n") <= sessions.SRE_LINES for output in outputs)
