"""Logs as JSON lines: one line per exchange, without a word of what was said in it.

Exchange lines are gathered and written a few times a second, off the path of the requests; everything else
goes through the standard library's logging. Known secrets are struck out at the sink, whoever wrote them.
"""

import asyncio
import logging
import os
import re
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import orjson

from app.journal import Record

FLUSH_SECONDS = 0.2
MAX_WAITING_BYTES = 1024 * 1024
"""Lines held in memory while the sink is slow; beyond it they are dropped and counted."""

SECRETS = re.compile(r"\b(?:Bearer\s+|hb-|sk-)[A-Za-z0-9._~+/=-]{8,}")
"""What looks like a key. In an exchange's line a client's own words are its id and the model's name."""
REDACTED = "[redacted]"

_log = logging.getLogger("hyperbridge")


def set_up(level: str, file: Path | None, secrets: Iterable[str]) -> int:
    """Send the standard library's logging to the sink as JSON lines; returns the sink's file descriptor.

    It has a descriptor of its own: native code that writes to standard error is cut off from there.
    """
    descriptor = (
        os.dup(sys.stderr.fileno())
        if file is None
        else os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    )
    handler = logging.StreamHandler(open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    handler.setFormatter(JsonLines(secrets))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every probe, with its URL
    return descriptor


class JsonLines(logging.Formatter):
    """A log record as one JSON object on one line, secrets struck out."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _iso(record.created),
            "level": record.levelname.lower(),
            "event": record.name,
            "message": self._clean(record.getMessage()),
        }
        if record.exc_info:
            line["trace"] = self._clean(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return SECRETS.sub(REDACTED, text)


class ExchangeLog:
    """The reader that writes one line per record."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        self._waiting_bytes = 0
        self._flush_due = False
        self._complained = -60.0
        self.dropped = 0

    def read(self, record: Record) -> None:
        """Take note of a closed record."""
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self.dropped += 1
            return
        line = orjson.dumps(described(record), option=orjson.OPT_APPEND_NEWLINE)
        self._lines.append(line)
        self._waiting_bytes += len(line)
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_aside)

    def _flush_aside(self) -> None:
        """Write in a thread: a sink that blocks must not hold up the event loop."""
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, self._write, self._taken()).add_done_callback(
            lambda _: self._flushed(loop)
        )

    def _flushed(self, loop: asyncio.AbstractEventLoop) -> None:
        self._flush_due = bool(self._lines)
        if self._flush_due:
            loop.call_later(FLUSH_SECONDS, self._flush_aside)

    def flush(self) -> None:
        """Write what has gathered, at once."""
        self._write(self._taken())

    def _taken(self) -> bytes:
        data = b"".join(self._lines)
        self._lines.clear()
        self._waiting_bytes = 0
        return data

    def _write(self, data: bytes) -> None:
        """A sink that fails (a full disk) loses lines, never a request."""
        data = SECRETS.sub(REDACTED, data.decode()).encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            self.dropped += data.count(b"\n")
            if time.monotonic() - self._complained > 60:  # once a minute is enough
                self._complained = time.monotonic()
                _log.error("log lines were lost (%d so far): %s", self.dropped, error.strerror)


def described(record: Record) -> dict[str, object]:
    """A record as the log shows it: times in milliseconds, no text of the prompt or the answer."""
    route = record.route
    usage = record.usage
    line: dict[str, object] = {
        "time": _iso(record.wall),
        "level": "info",
        "event": "exchange",
        "id": record.id,
        "caller": record.caller.id if record.caller else None,
        "operation": record.operation.name,
        "model": record.model or None,
        "upstream": route.upstream if route else None,
        "upstream_model": route.model if route else None,
        "reason": route.reason if route else None,
        "stream": record.streams,
        "status": record.status,
        "outcome": record.outcome,
        "finish": record.finish,
        "duration_ms": _ms(record.ended - record.arrived),
        "overhead_ms": _ms(record.overhead_seconds or 0.0),
        "first_content_ms": _ms(record.first_content - record.arrived) if record.first_content else None,
        "chunks": record.chunks,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "estimated": usage.estimated,
        "prompt": record.prompt_hash or None,
    }
    if record.failure is not None:
        line["code"] = record.failure.code
        line["detail"] = record.failure.detail or None
    return line


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
