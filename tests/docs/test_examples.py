"""The examples run, against a gateway with the default configuration."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from app.journal import Record
from app.logs import described
from app.operations import CHAT
from app.version import VERSION
from tests.deploy.files import tool
from tests.docs.pages import README, Fence, fences
from tests.sdk.test_node import HERE as NODE
from tests.sdk.test_node import packages
from tests.support.process import ROOT, serving

__all__ = ["packages"]

SHOWN_AT = "http://127.0.0.1:8000"
MOVING = ROOT / "docs/moving-from-litellm.md"
ROUTING = ROOT / "docs/routing.md"
THINKING = ROOT / "docs/thinking.md"
SHELL = [fence for page in (README, ROUTING, THINKING) for fence in fences(page, "sh")]
ASKING = [fence for fence in SHELL if SHOWN_AT in fence.text]
OTHERS = [fence for fence in [*SHELL, *fences(ROOT / "CONTRIBUTING.md", "sh")] if SHOWN_AT not in fence.text]
[ANSWER] = fences(README, "text")[1:]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving(tmp_path_factory.mktemp("docs")) as (_, running):
        yield running


def ran(*command: str, cwd: Path = ROOT, **environment: str) -> str:
    """What a command that ends well has written."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("fence", ASKING, ids=str)
def test_a_command_gets_an_answer(fence: Fence, url: str, tmp_path: Path):
    tool("curl")
    (tmp_path / ".curlrc").write_text("fail\n")  # so that curl minds the status

    assert ran("sh", "-ec", fence.text.replace(SHOWN_AT, url), CURL_HOME=str(tmp_path))


@pytest.mark.parametrize("page", [README, MOVING, ROUTING], ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, url: str):
    for fence in fences(page, "python"):
        said = ran(sys.executable, "-c", fence.text.replace(SHOWN_AT, url))
        assert said == ANSWER.text if page == README else "demo" in said


@pytest.mark.usefixtures("packages")
def test_the_page_s_script_shows_the_same_answer(url: str):
    [script] = fences(README, "js")

    said = ran("node", "--input-type=module", "--eval", script.text.replace(SHOWN_AT, url), cwd=NODE)

    assert said == ANSWER.text


def test_every_other_command_names_what_is_there():
    targets = set(re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8")))
    for line in "".join(fence.text for fence in OTHERS).splitlines():
        match line.split():
            case ["make", target]:
                assert target in targets
            case ["sh", script]:
                assert (ROOT / script).is_file()
            case _:
                assert line == "docker compose up --build --detach"


def test_the_log_line_that_is_shown_has_the_members_that_are_written():
    [line] = fences(README, "json")

    assert list(json.loads(line.text)) == list(described(Record("x", CHAT, 0.0)))


def test_the_changelog_begins_with_this_version():
    headings = re.findall(r"(?m)^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"))

    assert headings[0].strip(",") == VERSION
