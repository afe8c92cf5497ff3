"""A real PostgreSQL, in a folder and on a socket of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.deploy.files import tool

START_SECONDS = 30.0


class Postgres:
    """The server, which may be killed, frozen and started again; what it has committed stays."""

    def __init__(self, folder: Path, programs: str = "") -> None:
        """`programs` is the folder of those to start, before any other one."""
        self._folder = folder
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))
        self._programs = os.pathsep.join([programs, *map(str, reversed(found)), os.environ.get("PATH", "")])
        # it refuses to run as root
        self._account: Any = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if not os.getuid() else {}
        )

    def make(self) -> None:
        if self._account:
            shutil.chown(self._folder, "postgres", "postgres")
        command = [tool("initdb", self._programs), "-D", self._data, "-A", "trust", "-U", "hb", "--no-sync"]
        command += ["--encoding=UTF8", "--locale=C"]
        subprocess.run(command, check=True, capture_output=True, cwd=self._folder, **self._account)

    def start(self) -> None:
        command = [tool("postgres", self._programs), "-D", self._data, "-k", str(self._folder)]
        command += ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self._folder, **self._account
            )
        end = monotonic() + START_SECONDS
        while not self._answers():
            assert monotonic() < end, (self._folder / "log").read_text()
            sleep(0.05)

    def stop(self) -> None:
        """At once: it breaks off what runs."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """All of its processes."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def url(self, database: str) -> str:
        return f"postgresql://hb:an-unused-password@/{database}?host={self._folder}"

    def database(self, statement: str = "SELECT 1") -> str:
        """The address of a new one, in which nothing was done but this."""
        name = f"test{next(self._numbers)}"
        for database, command in (("postgres", f"CREATE DATABASE {name}"), (name, statement)):
            done = self._run(command, database)
            assert done.returncode == 0, done.stderr
        return self.url(name)

    def _answers(self) -> bool:
        return self._run("SELECT 1").returncode == 0

    def _run(self, statement: str, database: str = "postgres") -> "subprocess.CompletedProcess[bytes]":
        command = [tool("psql", self._programs), "-h", str(self._folder), "-U", "hb", "-d", database]
        return subprocess.run([*command, "-c", statement], capture_output=True, check=False)

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
        for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
            os.kill(int(child), number)


@contextmanager
def postgresql(programs: str = "") -> Generator[Postgres]:
    """A running server until the block ends. Its folder is where other users reach it, and its path short."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = Postgres(Path(folder), programs)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
