"""Decisions are numbered on, shaped alike, found, and agree with what is installed."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import links, tables
from tests.support.process import ROOT

FOLDER = ROOT / "docs/decisions"
DECISIONS = sorted(FOLDER.iterdir())
DEPENDENCIES = FOLDER / "0005-dependencies.md"
CODE = [
    path
    for folder in ("adapters", "app", "bench", "routers", "sim")
    for path in (ROOT / folder).rglob("*.py")
]


def packages(requirements: list[str]) -> list[str]:
    return [re.split(r"[^A-Za-z0-9-]", each)[0] for each in requirements]


def test_they_are_numbered_without_a_gap():
    numbers = [path.name[:4] for path in DECISIONS]

    assert numbers == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_each_has_its_context_decision_reason_and_consequences(path: Path):
    text = path.read_text("utf-8")

    assert re.match(rf"# {path.name[:4]}: \S", text)
    assert re.findall(r"(?m)^## (.+)$", text) == ["Context", "Decision", "Reason", "Consequences"]


def test_the_architecture_leads_to_each():
    found = [link for link in links(ROOT / "docs/architecture.md") if link.startswith("decisions/")]

    assert found == [f"decisions/{path.name}" for path in DECISIONS]


def test_the_code_refers_to_decisions_that_exist():
    named = {number for path in CODE for number in re.findall(r"decisions/(\d{4})", path.read_text("utf-8"))}

    assert named
    assert named <= {path.name[:4] for path in DECISIONS}


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = [
        project["project"]["dependencies"],
        extras["embedded"],
        sorted([*extras["train"], *extras["ray"]]),
        project["dependency-groups"]["build"],
        project["dependency-groups"]["dev"],
    ]

    found = tables(DEPENDENCIES, "## Decision")
    assert [[row[0] for row in rows] for rows in found] == [packages(each) for each in wanted]
    assert all(row[1] for rows in found for row in rows)
