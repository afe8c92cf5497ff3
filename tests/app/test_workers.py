"""One of several workers, as the process above sees it."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app import server
from app.worker import CONFIG
from app.workers import LONGEST_PAUSE_SECONDS, Worker, pause_seconds


def test_the_first_is_replaced_at_once_and_the_pause_then_doubles_to_a_minute():
    assert [pause_seconds(failures) for failures in range(1, 6)] == [0, 1, 2, 4, 8]
    assert pause_seconds(8) == pause_seconds(10_000) == LONGEST_PAUSE_SECONDS


def test_a_worker_that_dies_while_it_is_asked_is_not_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "hyperbridge.yaml"
    path.write_text("upstreams: {demo: {kind: demo}}\n")
    monkeypatch.setenv(CONFIG, str(path))
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as threads:
        worker = Worker(server.settings("app.worker:application", factory=True, workers=2), [listening])
        worker.start()
        assert worker.wait_until_ready(30)
        assert worker.pid is not None
        while worker.parent_conn.poll(1):  # a busy start answers late what was not waited for any more
            worker.parent_conn.recv()
        os.kill(worker.pid, signal.SIGSTOP)
        while any(_state(task) != "T" for task in Path(f"/proc/{worker.pid}/task").iterdir()):
            time.sleep(0.01)  # until its last thread has heard of it, it may answer
        asked = threads.submit(worker.is_alive, 60)
        os.kill(worker.pid, signal.SIGKILL)

        assert asked.result(10) is False
        worker.join()


def _state(task: Path) -> str:
    """One letter (proc(5)): T is stopped."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
