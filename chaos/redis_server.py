"""Real Redis servers, each in a process of its own on a spare port."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

START_SECONDS = 10.0


def _spare_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@dataclass(slots=True)
class Server:
    """A Redis that can be killed, frozen and started again; what it held is gone then, as nothing is saved."""

    folder: Path
    arguments: Sequence[str] = ()
    port: int = field(default_factory=_spare_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [executable(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += [
            "--save",
            "",
            "--appendonly",
            "no",
            "--logfile",
            str(self.folder / "redis.log"),
            *self.arguments,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            assert time.monotonic() < end, (
                f"Redis does not listen on {self.port}: see {self.folder / 'redis.log'}"
            )
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.2):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, decode_responses=True)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            self.kill()


@contextmanager
def redis_server(folder: Path, *arguments: str) -> Generator[Server]:
    """A running server until the block ends."""
    server = Server(folder, arguments)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def executable() -> str:
    """Where the server is; names the package where it is not."""
    found = shutil.which("redis-server")
    assert found is not None, "these tests need the system package redis-server"
    return found
