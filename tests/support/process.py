"""The command line in processes of its own, as its users run it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def serving(folder: Path, *arguments: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A running `hyperbridge serve` on a free port, and its URL; its standard error goes to a file.

    Where its configuration says nothing else, its database is in this folder too.
    """
    environment = {"DATABASE_URL": f"sqlite:///{folder.absolute()}/hyperbridge.db"}
    command = [sys.executable, "-m", "app", "serve", "--port", "0", *arguments]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None, (folder / "stderr").read_text()
            yield process, found[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)
            process.stdout.close()


def printed(program: str) -> set[str]:
    """What this program writes in processes whose hashes of texts differ."""
    return {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
