"""A key that somebody wants: checked, made, and told."""

import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from app.config import AllowanceSettings
from app.config.schema import ALL_MODELS, Key, KeyId
from app.config.settings import Settings
from app.config.values import wrong
from app.contracts import Priority
from app.store.keys import StoredKey, described

LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
MOST_GRACE_SECONDS = 30 * 86_400
"""How long a key that was replaced may still count."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")


ModelNames = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=320)], ...], Field(max_length=1000)
]
_METADATA = "at most 16 texts of at most 512 characters, by names of at most 64"


def _noted(metadata: Mapping[str, str]) -> Mapping[str, str]:
    if len(metadata) > 16 or any(
        not name or len(name) > 64 or len(text) > 512 for name, text in metadata.items()
    ):
        raise wrong(f"must be {_METADATA}")
    return metadata


def _moment(text: str) -> str:
    try:
        seconds_of(text)
    except ValueError as error:
        raise wrong(str(error)) from None
    return text


class WantedKey(Settings):
    """A key to be made."""

    id: KeyId = Field(description="its name in logs, metrics and reports, for good")
    models: ModelNames = Field(
        default=(),
        description='the models it may use, as named in `models` or as upstream/model; `["*"]` is all, none listed is none',
    )
    limits: AllowanceSettings = Field(default=AllowanceSettings())
    priority: Priority = Field(
        default="normal", description="who goes first where calls wait for an upstream"
    )
    weight: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="its share beside other keys that wait with the same priority"
    )
    admin: bool = Field(default=False, description="whether it may use /admin, and see the usage of all keys")
    expires_at: Annotated[str, AfterValidator(_moment)] | None = Field(
        default=None, description="a moment like 2030-01-31T12:00:00Z; null is never"
    )
    metadata: Annotated[Mapping[str, str], AfterValidator(_noted)] = Field(
        default={}, description=f"{_METADATA}; it is kept, and means nothing"
    )

    def made(self, now: float) -> tuple[str, StoredKey]:
        """The key itself, which nobody can be shown again, and what is kept of it."""
        key, digest = new_key(self.id)
        return key, StoredKey(
            self.id,
            digest,
            now,
            models=None if ALL_MODELS in self.models else self.models,
            allowance=self.limits.allowance,
            priority=self.priority,
            weight=self.weight,
            admin=self.admin,
            expires_at=None if self.expires_at is None else seconds_of(self.expires_at),
            metadata=self.metadata,
        )


def new_key(id: str) -> tuple[str, str]:  # noqa: A002 - its public name
    """A new key `hb-<id>-<secret>` (192 random bits), and the SHA-256 that is kept of it."""
    key = f"hb-{id}-{secrets.token_hex(24)}"
    return key, sha256(key.encode()).hexdigest()


def unknown_models(names: Iterable[str], aliases: Iterable[str], upstreams: Iterable[str]) -> list[str]:
    """The names that are neither a configured model nor `upstream/model`."""
    known, direct = {ALL_MODELS, *aliases}, tuple(f"{upstream}/" for upstream in upstreams)
    return [name for name in names if name not in known and not name.startswith(direct)]


def duration_seconds(text: str) -> int:
    """`30d`, `12h`, `5m` or `10s`. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("must be a whole number with its unit, like 30d, 12h, 5m or 10s")
    return int(found[1]) * _UNITS[found[2]]


def grace_seconds(text: str) -> int:
    """A duration that a replaced key may still count. Raises ValueError."""
    seconds = duration_seconds(text)
    if seconds > MOST_GRACE_SECONDS:
        raise ValueError(f"must be at most {MOST_GRACE_SECONDS // 86_400}d")
    return seconds


def seconds_of(text: str) -> float:
    """A moment as ISO 8601 writes it, in UTC where it names no zone, in seconds since 1970. Raises ValueError."""
    message = "must be a moment before 2100, like 2030-01-31 or 2030-01-31T12:00:00Z"
    try:
        moment = datetime.fromisoformat(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(message) from None
    if not 0 <= seconds < LATEST:
        raise ValueError(message)
    return seconds


def moment(seconds: float) -> str:
    """As `seconds_of` reads it, whole seconds; what no calendar holds is its first or last moment."""
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        at = datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)
    return f"{at.replace(microsecond=0, tzinfo=None).isoformat()}Z"


def of_file(key: Key) -> StoredKey:
    """A key of the file, as those of the store are; without its hash."""
    return StoredKey(
        key.id,
        "",
        0.0,
        models=None if key.allowed is None else key.models,
        allowance=key.limits.allowance,
        priority=key.priority,
        weight=key.weight,
        admin=key.admin,
    )


def state(key: StoredKey, now: float) -> str:
    """Whether it counts: `active`, `expired` or `revoked`."""
    if key.revoked_at is not None:
        return "revoked"
    return "active" if key.expires_at is None or now < key.expires_at else "expired"


def told(key: StoredKey, now: float, source: str = "store") -> Mapping[str, Any]:
    """Everything about a key that may be shown; of its hash nothing."""
    return {
        "id": key.id,
        "source": source,
        "state": state(key, now),
        "models": [ALL_MODELS] if key.models is None else list(key.models),
        "limits": described(key.allowance),
        "priority": key.priority,
        "weight": key.weight,
        "admin": key.admin,
        "created_at": moment(key.created_at) if key.created_at else None,
        "expires_at": None if key.expires_at is None else moment(key.expires_at),
        "revoked_at": None if key.revoked_at is None else moment(key.revoked_at),
        "replaced_until": None if key.previous_until is None else moment(key.previous_until),
        "metadata": dict(key.metadata),
    }
