"""Texts to measure with: what this machine's own commands say, and what is made up the same on every machine.

    for text in texts():
        text.kind, text.name, text.content

Nothing is fetched, and nothing of a person is read: commands that every Debian machine has, the files of its
packages, and generated logs and tables. What a machine lacks is left out, and `missing()` names it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from bench.texts import logs, machine, plain, sessions, tables
from bench.texts.machine import Absent

PAYING = ("json", "table", "log", "listing", "grep", "session")
"""Kinds in which there is something to save."""
PLAIN = ("prose", "code", "docs", "base64")
"""Kinds in which there is nothing: what is told must never be negative there."""

SOURCES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "dpkg.pretty": ("json", tables.packages_pretty),
    "dpkg.spaced": ("json", tables.packages_spaced),
    "dpkg.compact": ("json", tables.packages_compact),
    "dpkg.lines": ("json", tables.packages_lines),
    "inventory.compact": ("json", tables.inventory),
    "ticks.json": ("json", tables.ticks_json),
    "ticks.csv": ("table", tables.ticks_csv),
    "candles.json": ("json", tables.candles_json),
    "candles.csv": ("table", tables.candles_csv),
    "reservations.compact": ("json", tables.reservations),
    "users.compact": ("json", tables.users),
    "nginx": ("log", logs.nginx),
    "sshd": ("log", logs.sshd),
    "systemd": ("log", logs.systemd),
    "spring": ("log", logs.spring),
    "kubernetes": ("log", logs.kubernetes),
    "json-lines": ("log", logs.json_lines),
    "hdfs": ("log", logs.hdfs),
    "openstack": ("log", logs.openstack),
    "dpkg.log": ("log", machine.dpkg_log),
    "apt.history": ("log", machine.apt_history),
    "ls-lR": ("listing", machine.long_listing),
    "find": ("listing", machine.found_paths),
    "ps-mount-df": ("listing", machine.processes_and_disks),
    "pip-list": ("listing", machine.python_packages),
    "dpkg-l": ("listing", machine.debian_packages),
    "grep-rn": ("grep", machine.grep_numbered),
    "grep-r": ("grep", machine.grep_plain),
    "tool-results": ("session", sessions.tool_results),
    "sre-outputs": ("session", sessions.sre_outputs),
    "dialogue": ("session", sessions.dialogue),
    "licence.gpl": ("prose", plain.licence_gpl),
    "licence.mpl": ("prose", plain.licence_mpl),
    "manual": ("prose", plain.manual),
    "russian": ("prose", plain.russian),
    "python.argparse": ("code", plain.python_argparse),
    "python.http": ("code", plain.python_http),
    "markdown": ("docs", plain.markdown),
    "base64": ("base64", plain.base64_block),
}


@dataclass(frozen=True, slots=True)
class Text:
    """One text with the kind of thing that it is; most have 20 to 60 KB."""

    name: str
    kind: str
    content: str


def texts(*kinds: str) -> Iterator[Text]:
    """The texts of these kinds, of all where none is named; in one order, without what is missing here."""
    for name, (kind, source) in SOURCES.items():
        if not kinds or kind in kinds:
            content = _content(source)
            if content is not None:
                yield Text(name, kind, content)


def missing() -> tuple[str, ...]:
    """The names of texts that this machine cannot give."""
    return tuple(name for name, (_, source) in SOURCES.items() if _content(source) is None)


@cache
def _content(source: Callable[[], str]) -> str | None:
    try:
        return source()
    except Absent:
        return None
