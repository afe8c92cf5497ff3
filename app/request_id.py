"""A request's id: the client's own where it looks like one, else a new one."""

import os
import re
from collections.abc import Mapping

SCOPE_KEY = "hyperbridge.request_id"
"""Where the request's scope has it, for who answers behind the door."""

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def request_id(headers: Mapping[bytes, bytes]) -> bytes:
    """The id that these headers carry, or a new one."""
    sent = headers.get(b"x-request-id", b"")
    return sent if _ID.fullmatch(sent) else new_id()


def new_id() -> bytes:
    """32 hexadecimal digits (128 random bits)."""
    return os.urandom(16).hex().encode()
