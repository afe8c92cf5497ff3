"""Short-lived keys made from other keys: everything about one is written in itself, and signed.

    hb-eph-<payload>-<mac>      payload: JSON in base64url; mac: HMAC-SHA256 of all before it, in hex digits

Nothing is stored, so every worker and host that has the secret knows them, and none can be listed.
"""

import binascii
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

import msgspec

from app.allowance import UNBOUNDED, Allowance
from app.config.schema import SHORT_LIVED
from app.contracts import Priority
from app.errors import InvalidKey
from app.store.keys import allowance_of, described

PREFIX = f"hb-{SHORT_LIVED}-"
MAX_SECONDS = 3600
DEFAULT_SECONDS = 600
SECRET_BYTES = 32

_UNKNOWN = "The short-lived key is not one that this gateway made."


class _Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    requests: list[str] = []
    tokens: list[str] = []
    usd: list[str] = []
    concurrent: int | None = None


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a short-lived key may: `until` is in seconds since 1970, `models` None are all of its parent's.

    `proof` stands for the very key that it was made with (`Signer.proof`), so that it ends with that one.
    """

    parent: str
    proof: str
    id: str
    until: int
    models: tuple[str, ...] | None = None
    user: str | None = None
    priority: Priority | None = None
    limits: _Limits = _Limits()

    @property
    def allowance(self) -> Allowance:
        return UNBOUNDED if self.limits == _Limits() else allowance_of(self.told())

    def told(self) -> dict[str, Any]:
        """Its own limits, as they are written in configurations."""
        return {name: getattr(self.limits, name) for name in self.limits.__struct_fields__}


def limits_of(allowance: Allowance) -> _Limits:
    """As a grant holds it."""
    return msgspec.convert(described(allowance), _Limits)


def new_id() -> str:
    """A name for a grant, in counters and logs: 48 random bits."""
    return secrets.token_hex(6)


_decoder = msgspec.json.Decoder(Grant)


class Signer:
    """Writes and reads grants; those who share the secret read each other's."""

    def __init__(self, secret: bytes) -> None:
        self._secret = sha256(b"hyperbridge grants" + secret).digest()

    def proof(self, digest: bytes) -> str:
        """What a grant holds of its parent's digest: useless to whoever guesses at keys."""
        return hmac.digest(self._secret, b"parent" + digest, "sha256")[:12].hex()

    def write(self, grant: Grant) -> str:
        payload = urlsafe_b64encode(msgspec.json.encode(grant)).rstrip(b"=").decode()
        return f"{PREFIX}{payload}-{self._mac(payload.encode()).hex()}"

    def read(self, key: bytes) -> Grant:
        """The grant that is written so; raises InvalidKey. Whether its time has come is the reader's to see."""
        payload, _, mac = key.removeprefix(PREFIX.encode()).rpartition(b"-")
        if not hmac.compare_digest(self._mac(payload).hex().encode(), mac):
            raise InvalidKey(_UNKNOWN)
        try:
            return _decoder.decode(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        except (binascii.Error, msgspec.DecodeError):  # signed by a version that wrote them otherwise
            raise InvalidKey(_UNKNOWN) from None

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, PREFIX.encode() + payload, "sha256")
