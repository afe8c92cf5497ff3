"""Whom a call names as its user, and names that nobody can read in their place."""

import secrets
from hashlib import blake2b

import msgspec

from app.contracts import Caller
from app.wire import Members, Request

NOBODY = "-"
"""Stands for the user of calls that name none: they share one count, so that leaving it out frees nobody."""


def user_of(request: Request, caller: Caller) -> str:
    """`user`, `safety_identifier`, or Anthropic's `metadata.user_id`; "" for nobody. A caller may be bound to one."""
    if caller.user is not None:
        return caller.user
    members = request.members
    for name in ("user", "safety_identifier"):
        if members.has(name) and isinstance(named := _value(members, name), str):
            return named
    metadata = _value(members, "metadata") if members.has("metadata") else None
    named = metadata.get("user_id") if isinstance(metadata, dict) else None
    return named if isinstance(named, str) else ""


def _value(members: Members, name: str) -> object:
    try:
        return members.value(name)
    except msgspec.DecodeError:  # a number beyond all bounds names nobody
        return None


def counted(user: str) -> str:
    """A user's name in the counters, which all hosts must make alike: always short, and not the name itself."""
    return blake2b(_bytes(user), digest_size=9).hexdigest() if user else NOBODY


class UserHash:
    """A user's name in the log. Hashes of one key are comparable; without one, a new key is drawn and hashes compare
    within one run.
    """

    def __init__(self, key: str = "") -> None:
        self._key = key.encode()[:64] or secrets.token_bytes(32)

    def of(self, user: str) -> str:
        """12 hexadecimal digits (48 bits); "" for nobody."""
        if not user:
            return ""
        return blake2b(_bytes(user), digest_size=6, key=self._key, person=b"user").hexdigest()


def _bytes(user: str) -> bytes:
    return user.encode("utf-8", "surrogatepass")
