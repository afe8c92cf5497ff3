"""What a client may ask of the gateway itself, by headers."""

import re
from collections.abc import Mapping

from app.contracts import PRIORITIES, Priority, lowered
from app.errors import BadRequest

TIMEOUT = b"x-hyperbridge-timeout"
HEARTBEAT = b"x-hyperbridge-heartbeat"
PRIORITY = b"x-hyperbridge-priority"
MOST_SECONDS = 86_400.0
LONGEST_BEAT_SECONDS = 60.0

_NUMBER = re.compile(rb"\d{1,9}(?:\.\d{1,20})?")
"""Digits with or without a fraction: `float` takes "1_0" and "nan" as well."""


def timeout_seconds(headers: Mapping[bytes, bytes]) -> float | None:
    """How long the client waits at most for the whole answer; None where it does not say. Raises BadRequest."""
    asked = _seconds(headers, TIMEOUT)
    if asked is not None and not 0 < asked <= MOST_SECONDS:
        raise BadRequest(f"{TIMEOUT.decode()} must be seconds: a number above 0, at most {MOST_SECONDS:.0f}.")
    return asked


def heartbeat_seconds(headers: Mapping[bytes, bytes]) -> float | None:
    """How often a waiting stream shall give a sign of life; 0 is never, None where it does not say. Raises BadRequest."""
    asked = _seconds(headers, HEARTBEAT)
    if asked is not None and asked and not 1 <= asked <= LONGEST_BEAT_SECONDS:
        raise BadRequest(
            f"{HEARTBEAT.decode()} must be seconds: from 1 to {LONGEST_BEAT_SECONDS:.0f}, or 0 for none."
        )
    return asked


def priority(headers: Mapping[bytes, bytes], own: Priority) -> Priority:
    """Its place where calls wait: the one that the client asks for, never above the key's own. Raises BadRequest."""
    asked = headers.get(PRIORITY)
    if asked is None:
        return own
    wanted = _PRIORITIES.get(asked)
    if wanted is None:
        raise BadRequest(f"{PRIORITY.decode()} must be one of {', '.join(PRIORITIES)}.")
    return lowered(wanted, own)


_PRIORITIES: Mapping[bytes, Priority] = {each.encode(): each for each in PRIORITIES}


def _seconds(headers: Mapping[bytes, bytes], name: bytes) -> float | None:
    """The number; one that no bound takes where it is none."""
    value = headers.get(name)
    if value is None:
        return None
    return float(value) if _NUMBER.fullmatch(value) else -1.0
