"""What `deploy` is made of, as the tests read it."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules/hyperbridge.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/hyperbridge.json"

_VARIABLE = re.compile(r"\$\{(\w+)")
_COMMENT = re.compile(r"(?:^|\s)#.*")


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    return found


def rules() -> Iterator[Mapping[str, Any]]:
    """Every rule: those that record, and those that alert."""
    for group in read_yaml("deploy/prometheus/rules/hyperbridge.yml")["groups"]:
        yield from group["rules"]


def variables(text: str) -> set[str]:
    """The variables that a text refers to as ${NAME}; comments do not count."""
    return set(_VARIABLE.findall(_COMMENT.sub("", text).replace("$$", "")))


def tool(name: str, path: str | None = None) -> str:
    """The path of a system program that `tests/packages.sh` installs; it is looked for in `path`, or where all are."""
    found = shutil.which(name, path=path)
    if found is None:
        message = f"{name} is missing; tests/packages.sh says which package brings it"
        if "CI" in os.environ:
            pytest.fail(message)
        pytest.skip(message)
    return found
