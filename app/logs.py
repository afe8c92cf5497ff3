"""Logs as JSON lines: one line per exchange, without a word of what was said in it.

Exchange lines and those of the standard library's logging go into one sink, which nobody waits for. What looks
like a key, and every known one, is struck out wherever text of others may stand.
"""

import logging
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from app.allowance import NANO_USD
from app.journal import Attempt, Record
from app.sink import Sink

SECRETS = re.compile(
    r"""
    hb-[A-Za-z0-9._~+/=-]{8,}                     # our own keys, whatever stands before them
    | (?<![A-Za-z])sk-[A-Za-z0-9._~+/=-]{8,}
    | \bBearer(?:\s|%20|\+)+[A-Za-z0-9._~+/=-]{8,}
    | (?<=://)(?:[^\s/@:"'<>]{0,256}:[^\s"'<>]{0,1024}|[^\s/@:"'<>]{1,1024})(?=@)      # user:password@ in an address
    | (?:(?<=password)|(?<=passwd)|(?<=secret)|(?<=api_key)|(?<=api-key)|(?<=authorization))
      (?:["']\s*,|["']?\s*[:=])\s*(?:b?["'])?      # in a header, a parameter or a member of that name
      (?:(?:Basic|Bearer|Digest)\s+)?[^\s"'&,;)}\]]+
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What looks like a key or a password. Bounds keep the time of long texts in step with their length."""
SHORTEST = 6
"""Characters of a known secret that is struck out wherever it stands: a shorter one is part of ordinary words."""
REDACTED = "[redacted]"


def set_up(level: str, file: Path | None, secrets: Iterable[str]) -> Sink:
    """Send the standard library's logging into a new sink as JSON lines. Raises OSError where it cannot be opened.

    The sink has a descriptor of its own: native code that writes to standard error is cut off from there.
    """
    descriptor = (
        os.dup(sys.stderr.fileno())
        if file is None
        else os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    )
    sink = Sink(descriptor)
    handler = Handler(sink)
    handler.setFormatter(JsonLines(secrets))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every probe, with its URL
    return sink


def learn(secrets: Iterable[str]) -> None:
    """From here on, no line of the standard library's logging holds these."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonLines):
            handler.formatter.learn(secrets)


class Handler(logging.Handler):
    """Hands the standard library's log records to the sink."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        self._sink.write(self.format(record).encode() + b"\n")

    def close(self) -> None:
        """What the standard library calls at the process's end."""
        self._sink.close()
        super().close()


class JsonLines(logging.Formatter):
    """A log record as one JSON object on one line, secrets struck out."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets: Sequence[str] = ()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """From here on, these are struck out too."""
        known = {*self._secrets, *(secret for secret in secrets if len(secret) >= SHORTEST)}
        self._secrets = sorted(known, key=len, reverse=True)  # one may be a part of another

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _iso(record.created),
            "level": record.levelname.lower(),
            "event": record.name,
            "message": self._clean(_said(record)),
        }
        if record.exc_info:
            line["trace"] = self._clean(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return SECRETS.sub(REDACTED, text)


def _said(record: logging.LogRecord) -> str:
    """The message; where text and values do not fit together, the text alone."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


class ExchangeLog:
    """The reader that writes one line per record, as this event."""

    def __init__(self, sink: Sink, event: str = "exchange") -> None:
        self._sink = sink
        self._event = event

    def read(self, record: Record) -> None:
        """Take note of a closed record."""
        line = described(record)
        line["event"] = self._event
        self._sink.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def described(record: Record) -> dict[str, object]:
    """A record as the log shows it: times in milliseconds, no text of the prompt or the answer."""
    route = record.route
    decision = record.decision
    usage = record.usage
    line: dict[str, object] = {
        "time": _iso(record.wall),
        "level": "info",
        "event": "exchange",
        "id": SECRETS.sub(REDACTED, record.id),
        "caller": record.caller.id if record.caller else None,
        "grant": (record.caller.grant or None) if record.caller else None,
        "operation": record.operation.name,
        "model": record.model or None,
        "upstream": route.upstream if route else None,
        "upstream_model": SECRETS.sub(REDACTED, route.model) if route else None,
        "reason": route.reason if route else None,
        "replica": record.placed.replica if record.placed else None,
        "adapter": (record.placed.adapter or None) if record.placed else None,
        "placement": (record.placed.reason or None) if record.placed else None,
        "mode": decision.mode or None if decision else None,
        "decision": decision.reason if decision else None,
        "attempts": len(record.attempts),
        "rescues": record.rescues,
        "scenes": record.saving.layer if record.saving else None,
        "saved_tokens": record.saving.tokens if record.saving else 0,
        "recalled": sum(record.recalled.counts.values()) if record.recalled else 0,
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
        "cost_usd": _usd(record.attempts),
        "user": record.user or None,
        "prompt": record.prompt_hash or None,
    }
    if len(record.attempts) > 1:
        line["tries"] = [tried(attempt, record.arrived) for attempt in record.attempts]
    if record.failure is not None:
        line["code"] = record.failure.code
        line["detail"] = record.failure.detail or None
    return line


def tried(attempt: Attempt, arrived: float) -> dict[str, object]:
    """An attempt as the log shows it, beside the others of its call."""
    return {
        "upstream": attempt.route.upstream,
        "upstream_model": SECRETS.sub(REDACTED, attempt.route.model),
        "kind": attempt.kind,
        "replica": attempt.placed.replica if attempt.placed else None,
        "outcome": attempt.outcome,
        "at_ms": _ms(attempt.started - arrived),
        "first_content_ms": _ms(attempt.first_content - arrived) if attempt.first_content else None,
        "end_ms": _ms(attempt.ended - arrived),
        "input_tokens": attempt.usage.input_tokens,
        "output_tokens": attempt.usage.output_tokens,
        "estimated": attempt.usage.estimated,
        "cost_usd": _usd([attempt]),
    }


def _usd(attempts: Sequence[Attempt]) -> float | None:
    """What they cost in US dollars; None where that is not known of one of them."""
    if not all(attempt.priced for attempt in attempts):
        return None
    return sum(attempt.nano_usd for attempt in attempts) / NANO_USD


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
