"""Several workers on one socket: started, watched, replaced, stopped."""

import contextlib
import logging
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
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

LONGEST_PAUSE_SECONDS = 60.0

SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus-client keeps the numbers of several workers, in files of each process."""

_log = logging.getLogger("hyperbridge")


class Worker(Process):
    """One process that answers. `has_served` says whether it ever did, as far as it was asked."""

    has_served = False

    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = Draining(self.config)
        return self._server

    def start(self) -> None:
        """Start it. Its end of the pipe is its own alone: then its death is seen at once, also while it is asked."""
        super().start()
        self.child_conn.close()

    def _healthcheck(self, timeout: float) -> bool | None:
        started = super()._healthcheck(timeout)
        self.has_served = self.has_served or started is True
        return started

    @property
    def serves(self) -> bool:
        """Whether it answered when it was asked last, and has not ended since."""
        return self.has_served and self.process.is_alive()

    def retire(self) -> None:
        """Let it end what it has begun, and begin nothing new."""
        if self.process.is_alive() and self.pid is not None:
            os.kill(self.pid, signal.SIGHUP)


@dataclass(slots=True)
class _Place:
    """Where one worker is, and another one after it: at `due` (monotonic seconds) where it is empty. `failures` is how
    many have ended in it since one served.
    """

    worker: Worker
    failures: int = 0
    due: float | None = None

    def take(self, worker: Worker) -> None:
        self.worker = worker
        self.due = None

    def wait(self) -> float:
        """Stay empty for a while; returns the seconds."""
        self.failures += 1
        seconds = pause_seconds(self.failures)
        self.due = time.monotonic() + seconds
        return seconds


def pause_seconds(failures: int) -> float:
    """How long a place stays empty after the last of so many failures: not at all at first, then 1 s, 2 s, 4 s ... 60 s."""
    return min(2.0 ** min(failures - 2, 10), LONGEST_PAUSE_SECONDS) if failures > 1 else 0.0


class Workers:
    """Keeps as many workers as the settings say, until a signal asks to stop.

    SIGHUP puts a new one in the place of each. SIGTERM and SIGINT are passed on, the second as the first.
    """

    def __init__(self, served: Settings, listening: socket) -> None:
        self._served = served
        self._listening = listening
        self._places: list[_Place] = []
        self._retired: list[Worker] = []
        self._stopping = threading.Event()
        self._failed = False
        self._hurried = False
        self._renewing = False

    def run(self) -> int:
        """The status to exit with."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told)
        self._places = [_Place(self._started()) for _ in range(self._served.workers)]
        while not self._stopping.is_set():
            time.sleep(LOOK_SECONDS)
            self._look_after()
            if self._renewing:
                self._renewing = False
                self._renew()
        self._stop()
        return STARTUP_FAILURE if self._failed else 0

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
        """Replace workers that are dead or hang, and fill the places whose time has come."""
        self._retired = [worker for worker in self._retired if worker.process.is_alive()]
        for place in self._places:
            if place.due is not None:
                if time.monotonic() >= place.due:
                    place.take(self._replaced())
            elif not place.worker.is_alive(self._served.timeout_worker_healthcheck):
                place.worker.process.join(ENDING_SECONDS)
                place.worker.kill()
                place.worker.join()
                self._follow(place)
            elif place.worker.has_served:
                place.failures = 0
            if self._stopping.is_set():
                return

    def _follow(self, place: _Place) -> None:
        """Another one shall come after one that is dead; where it could not start and nobody serves, all is over."""
        dead = place.worker
        could_not_start = dead.exitcode == STARTUP_FAILURE
        if could_not_start:
            _forget(dead)
        if could_not_start and not any(each.worker.serves for each in self._places):
            self._failed = True
            self._stopping.set()
        elif not self._stopping.is_set():
            pause = place.wait()
            how = "could not start" if could_not_start else "died"
            _log.error("worker %s %s: another one takes its place in %.0f s", dead.pid, how, pause)

    def _renew(self) -> None:
        """One worker after the other; the old ones stay where a new one does not come up."""
        for place in self._places:
            new = self._started()
            if not new.wait_until_ready(self._served.timeout_worker_healthcheck, self._stopping):
                new.kill()
                new.join()
                _forget(new)
                _log.error("the new worker %s was not ready in time: the old ones stay", new.pid)
                return
            place.worker.retire()
            self._retired.append(place.worker)
            place.take(new)

    def _stop(self) -> None:
        workers = [*(place.worker for place in self._places), *self._retired]
        for worker in workers:
            worker.terminate()
        for worker in workers:
            while worker.process.is_alive():
                worker.process.join(LOOK_SECONDS)
                if self._hurried:
                    self._hurried = False
                    for each in workers:
                        each.terminate()


def _forget(dead: Worker) -> None:
    """Remove the files of one that has counted nothing: each is read whenever somebody asks for metrics."""
    folder = os.environ.get(SHARED_METRICS)
    if folder is not None:
        for file in Path(folder).glob(f"*_{dead.pid}.db"):
            with contextlib.suppress(OSError):
                file.unlink()
