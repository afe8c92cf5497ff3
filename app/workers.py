"""Several workers on one socket: started, watched, replaced, stopped."""

import logging
import os
import signal
import threading
import time
from socket import socket
from types import FrameType

from uvicorn.config import STARTUP_FAILURE
from uvicorn.server import Server
from uvicorn.supervisors.multiprocess import Process

from app.draining import Draining
from app.protocol import Settings
from app.worker import REPLACES

LOOK_SECONDS = 0.25
"""How often the workers are looked after."""

ENDING_SECONDS = 1.0
"""How long a worker that answers no more may take to end by itself, so that its status says why."""

_log = logging.getLogger("hyperbridge")


class Worker(Process):
    """One process that answers."""

    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = Draining(self.config)
        return self._server

    def start(self) -> None:
        """Start it. Its end of the pipe is its own alone: then its death is seen at once, also while it is asked."""
        super().start()
        self.child_conn.close()

    def retire(self) -> None:
        """Let it end what it has begun, and begin nothing new."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGHUP)


class Workers:
    """Keeps as many workers as the settings say, until a signal asks to stop.

    SIGHUP puts a new one in the place of each. SIGTERM and SIGINT are passed on, the second as the first.
    """

    def __init__(self, served: Settings, listening: socket) -> None:
        self._served = served
        self._listening = listening
        self._workers: list[Worker] = []
        self._retired: list[Worker] = []
        self._stopping = threading.Event()
        self._hurried = False
        self._renewing = False

    def run(self) -> int:
        """The status to exit with."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told)
        self._workers = [self._started() for _ in range(self._served.workers)]
        while not self._stopping.is_set():
            time.sleep(LOOK_SECONDS)
            self._look_after()
            if self._renewing:
                self._renewing = False
                self._renew()
        self._stop()
        failed = any(worker.exitcode == STARTUP_FAILURE for worker in self._workers)
        return STARTUP_FAILURE if failed else 0

    def _told(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._renewing = True
        elif self._stopping.is_set():
            self._hurried = True
        else:
            self._stopping.set()

    def _replaced(self) -> Worker:
        """One that may wait for its database: what the others know of it counts on."""
        os.environ[REPLACES] = "1"
        try:
            return self._started()
        finally:
            del os.environ[REPLACES]

    def _started(self) -> Worker:
        worker = Worker(self._served, [self._listening])
        worker.start()
        return worker

    def _look_after(self) -> None:
        """Replace workers that are dead or hang; one that cannot start would not the next time either."""
        self._retired = [worker for worker in self._retired if worker.process.is_alive()]
        for place, worker in enumerate(self._workers):
            if worker.is_alive(self._served.timeout_worker_healthcheck):
                continue
            worker.process.join(ENDING_SECONDS)
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE:
                self._stopping.set()
            if self._stopping.is_set():
                return
            _log.error("worker %s died and is replaced", worker.pid)
            self._workers[place] = self._replaced()

    def _renew(self) -> None:
        """One worker after the other; the old ones stay where a new one does not come up."""
        for place, old in enumerate(self._workers):
            new = self._started()
            if not new.wait_until_ready(self._served.timeout_worker_healthcheck, self._stopping):
                new.kill()
                new.join()
                _log.error("the new worker %s was not ready in time: the old ones stay", new.pid)
                return
            self._workers[place] = new
            self._retired.append(old)
            old.retire()

    def _stop(self) -> None:
        workers = [*self._workers, *self._retired]
        for worker in workers:
            worker.terminate()
        for worker in workers:
            while worker.process.is_alive():
                worker.process.join(LOOK_SECONDS)
                if self._hurried:
                    self._hurried = False
                    for each in workers:
                        each.terminate()
