"""The official Node packages, unmodified: Node's own test runner asks the gateway, and says what it found."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.files import tool
from tests.sdk.conftest import KEY, NARROW_KEY, Gateway

HERE = Path(__file__).parent / "node"
SUITES = sorted(path.name for path in HERE.glob("*.test.mjs"))


def run(*command: str, **environment: str) -> None:
    done = subprocess.run(
        command,
        cwd=HERE,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def packages() -> None:
    """The locked packages, installed once for each lock; another process of the suite may be at it already."""
    tool("node")
    lock, stamp = HERE / "package-lock.json", HERE / "node_modules" / "installed-from.json"
    with lock.open("rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
            run(tool("npm"), "ci", "--no-audit", "--no-fund")
            shutil.copy(lock, stamp)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.usefixtures("packages")
def test_the_node_suite_passes(gateway: Gateway, suite: str):
    run(
        *("node", "--test", "--test-reporter=tap", suite),
        BASE_URL=gateway.url,
        API_KEY=KEY,
        NARROW_KEY=NARROW_KEY,
        MODEL="demo",
        SLOW_MODEL="slow",
        TWIN="twin/x",
    )
