"""Sessions of agents: messages with calls of tools and what the tools answered."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from bench.texts import logs, machine, tables
from bench.texts.machine import Absent

Message = dict[str, Any]

_SYSTEM = (
    "You are the on-call assistant of a small shop. Look before you answer, name the line that you rely on, "
    "and never restart anything without asking."
)
_TURNS = (
    ("Which orders of the last page are still open?", "list_orders"),
    ("Is the lamp in stock in Amsterdam?", "get_inventory"),
    ("Book her the cheapest connection.", "search_flights"),
    ("Did anything fail since the last deploy?", "read_log"),
    ("Who else travels on that reservation?", "get_reservation"),
    ("And what does the bid look like now?", "get_ticks"),
)
_OUTPUTS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("journalctl -u ssh", logs.sshd),
    ("kubectl logs checkout", logs.spring),
    ("tail access.log", logs.nginx),
    ("journalctl -b", logs.systemd),
    ("ls -lR", machine.long_listing),
    ("journalctl -u kubelet", logs.kubernetes),
    ("grep -rn", machine.grep_numbered),
    ("hdfs log", logs.hdfs),
    ("nova log", logs.openstack),
    ("dpkg -l", machine.debian_packages),
    ("find", machine.found_paths),
    ("logs --json", logs.json_lines),
)
SRE_OUTPUTS, SRE_LINES = 24, 60


def agent_session(turns: int = 12) -> list[Message]:
    """A session as a client holds it: spaced JSON as tools answer it, by Python's default, and short answers between."""
    chance = logs.drawn("agent")
    rows = json.loads(tables.reservations())
    messages: list[Message] = [{"role": "system", "content": _SYSTEM}]
    for turn in range(turns):
        asked, tool = _TURNS[turn % len(_TURNS)]
        call = f"call_{chance.getrandbits(64):016x}"
        result = json.dumps(rows[turn * 2 : turn * 2 + 1 + chance.randrange(3)])
        messages += _exchange(asked, (call, tool, json.dumps({"limit": turn + 1})), result)
        messages.append({
            "role": "assistant",
            "content": f"I looked at {tool}: {len(result)} characters, nothing unusual in them.",
        })
    return messages


def sre_session() -> list[Message]:
    """A long one: 24 outputs of 60 lines of logs and listings, one after the other."""
    messages: list[Message] = [{"role": "system", "content": _SYSTEM}]
    for number, (command, output) in enumerate(_sre()):
        call = (f"call_{number:04}", "shell", json.dumps({"command": command}))
        messages += _exchange(f"Step {number + 1}: look at `{command}`.", call, output)
    return messages


def tool_results() -> str:
    """The results alone of the first, one a line."""
    return "".join(message["content"] + "\n" for message in agent_session() if message["role"] == "tool")


def sre_outputs() -> str:
    """Every sixth output of the second, as one text."""
    return "\n".join(
        f"$ {command}\n{output}" for number, (command, output) in enumerate(_sre()) if number % 6 == 1
    )


def dialogue() -> str:
    """The first as text, as it would be pasted."""
    return "".join(f"{message['role']}: {message['content'] or ''}\n" for message in agent_session())


def _exchange(asked: str, called: tuple[str, str, str], result: str) -> list[Message]:
    call, tool, arguments = called
    function = {"name": tool, "arguments": arguments}
    return [
        {"role": "user", "content": asked},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": call, "content": result},
    ]


def _sre() -> Iterator[tuple[str, str]]:
    made, turn = 0, 0
    while made < SRE_OUTPUTS:
        command, source = _OUTPUTS[turn % len(_OUTPUTS)]
        try:
            output = machine.lines_of(source, SRE_LINES, SRE_LINES * (turn // len(_OUTPUTS)))
        except Absent:
            output = ""
        turn += 1
        if len(output) > 1:
            made += 1
            yield command, output
