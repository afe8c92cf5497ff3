"""Where log lines go: gathered, and written by a thread of its own, so that nobody waits for a slow one."""

import logging
import os
import threading
import time

FLUSH_SECONDS = 0.2
"""How long lines gather before they are written together."""
CLOSE_SECONDS = 2.0
"""How long a stop waits for a sink that blocks."""
MAX_WAITING_BYTES = 1024 * 1024
"""Lines held in memory while the sink is slow; beyond it they are lost, and counted."""
WHOLE_BYTES = 4096
"""What one write puts into a pipe in one piece, also where other workers write into it (POSIX: PIPE_BUF)."""
COMPLAIN_SECONDS = 60.0

_log = logging.getLogger("hyperbridge")


class Sink:
    """Takes lines from any thread; `lost` counts those that could not be written."""

    def __init__(self, descriptor: int) -> None:
        self.lost = 0
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._complained = -COMPLAIN_SECONDS

    def write(self, line: bytes) -> None:
        """Take a line, which ends with a line feed."""
        with self._lock:
            if self._waiting_bytes > MAX_WAITING_BYTES:
                self.lost += 1
                return
            self._lines.append(line)
            self._waiting_bytes += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
        if not self._due.is_set():
            self._due.set()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what has gathered, as far as this time allows."""
        self._closing.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._closing.wait(FLUSH_SECONDS)
            closing = self._closing.is_set()
            self._due.clear()
            self._flush()
            if closing:
                return

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines, self._waiting_bytes = self._lines, [], 0
        together: list[bytes] = []
        size = 0
        for line in lines:
            if size + len(line) > WHOLE_BYTES:
                self._put(together)
                together, size = [], 0
            together.append(line)
            size += len(line)
        self._put(together)

    def _put(self, lines: list[bytes]) -> None:
        """A sink that fails (a full disk) loses lines, never a request."""
        data = b"".join(lines)
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            self.lost += data.count(b"\n")
            if time.monotonic() - self._complained > COMPLAIN_SECONDS:
                self._complained = time.monotonic()
                _log.error("log lines were lost (%d so far): %s", self.lost, error.strerror)
