"""Nothing in the repository names the machine it was written on, or where its packages come from."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.process import ROOT

SOURCES = re.compile(r"\.(?:extra-index-url|index-url|find-links|constraint)='(.*)'")
"""The settings of pip that say where packages come from."""


def said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout


def tracked() -> dict[str, str]:
    """The text files that git knows, by name."""
    found = {}
    for name in said("git", "ls-files", "-z").split("\0"):
        path = ROOT / name
        if name and path.is_file():
            found[name] = path.read_bytes().decode("utf-8", "replace")
    return found


def private_names() -> set[str]:
    """Paths and hosts that mean something here and nowhere else."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    sources = [url for line in SOURCES.findall(said(*pip, "config", "list")) for url in line.split()]
    sources += re.findall(r"https://[^\s)]+", said(*pip, "install", "--help"))
    places = [urlsplit(source) for source in sources]
    hosts = {place.hostname for place in places if place.hostname}
    paths = {place.path for place in places if not place.hostname}
    return hosts | paths | {f"{ROOT}/", f"{Path.home()}/"}


def test_no_file_names_this_machine_or_a_registry():
    unwanted = private_names()

    assert [
        (file, unwanted_name)
        for file, text in tracked().items()
        for unwanted_name in unwanted
        if unwanted_name in text
    ] == []
