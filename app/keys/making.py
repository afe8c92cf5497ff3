"""New keys."""

import secrets
from hashlib import sha256


def new_key(id: str) -> tuple[str, str]:  # noqa: A002 - its public name
    """A new key `hb-<id>-<secret>` (192 random bits), and the SHA-256 that is kept of it."""
    key = f"hb-{id}-{secrets.token_hex(24)}"
    return key, sha256(key.encode()).hexdigest()
