"""Keys as the database holds them: the values, and the seam to whoever reads and changes them.

Moments are seconds since 1970. Of a key itself nothing is held but its SHA-256.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from app.allowance import UNBOUNDED, Allowance, Bound, Measure
from app.contracts import Priority


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key; `digest` is its SHA-256 in 64 hex digits, `models` the names it may use, None is every model.

    It counts until `expires_at` and until `revoked_at`, None is without end. After a rotation the digest before,
    `previous_digest`, counts until `previous_until`.
    """

    id: str
    digest: str = field(repr=False)
    created_at: float
    models: tuple[str, ...] | None = ()
    allowance: Allowance = UNBOUNDED
    priority: Priority = "normal"
    weight: int = 1
    admin: bool = False
    expires_at: float | None = None
    revoked_at: float | None = None
    previous_digest: str | None = field(default=None, repr=False)
    previous_until: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class Found(NamedTuple):
    """What the table of keys holds: the keys, and the ids of those whose row is damaged."""

    keys: Sequence[StoredKey]
    damaged: Sequence[str] = ()


class StoredKeys(Protocol):
    """The keys of the database. Every method raises StoreUnavailable where it does not answer."""

    async def version(self) -> int:
        """A number that rises with every change, so that a copy knows when it is old."""

    async def all(self) -> Found:
        """Every key by id, those that no longer count too."""

    async def add(self, key: StoredKey) -> None:
        """Raises KeyExists."""

    async def revoke(self, id: str, at: float) -> StoredKey:  # noqa: A002
        """The key as it is then; one that was revoked before stays as it was. Raises UnknownKey and DamagedKey."""

    async def rotate(self, id: str, digest: str, at: float, grace_seconds: float = 0) -> StoredKey:  # noqa: A002
        """Give it another digest; the one before counts so much longer.

        Raises UnknownKey, DamagedKey, RevokedKey, ExpiredKey and KeyExists.
        """


def described(allowance: Allowance) -> dict[str, Any]:
    """An allowance as JSON: its bounds as texts, like those of the configuration."""

    def bounds(measure: Measure) -> list[str]:
        return [bound.written(measure) for bound in getattr(allowance, measure)]

    return {
        "requests": bounds("requests"),
        "tokens": bounds("tokens"),
        "usd": bounds("usd"),
        "concurrent": allowance.concurrent,
    }


def allowance_of(members: Mapping[str, Any]) -> Allowance:
    """The allowance that is described so."""

    def bounds(measure: Measure) -> tuple[Bound, ...]:
        return tuple(Bound.parse(text, measure) for text in members.get(measure, ()))

    return Allowance(bounds("requests"), bounds("tokens"), bounds("usd"), members.get("concurrent"))
