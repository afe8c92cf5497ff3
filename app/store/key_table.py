"""The keys in their table."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from sqlalchemy import Integer, RowMapping, insert, select, type_coerce, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.contracts import Priority
from app.store.database import Database, readable
from app.store.faults import DamagedKey, ExpiredKey, KeyExists, RevokedKey, StoreUnavailable, UnknownKey
from app.store.keys import Found, StoredKey, allowance_of, described
from app.store.tables import KEYS, VERSIONS

_VERSION = VERSIONS.c.name == "keys"


_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]
_Moment = Annotated[float, msgspec.Meta(ge=-1e300)]  # NaN is none: it would never be over


class _Row(msgspec.Struct):
    id: str
    digest: _Digest
    models: str | None
    allowance: str
    priority: Priority
    weight: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    admin: bool
    created_at: _Moment
    expires_at: _Moment | None
    revoked_at: _Moment | None
    previous_digest: _Digest | None
    previous_until: _Moment | None
    metadata: str


class _Limits(msgspec.Struct):
    requests: list[str] = []
    tokens: list[str] = []
    usd: list[str] = []
    concurrent: Annotated[int, msgspec.Meta(ge=1)] | None = None


_models = msgspec.json.Decoder(tuple[str, ...])
_limits = msgspec.json.Decoder(_Limits)
_metadata = msgspec.json.Decoder(dict[str, str])

_COLUMNS = [
    type_coerce(column, Integer).label("admin") if column is KEYS.c.admin else column for column in KEYS.c
]
"""As the drivers give them: what SQLAlchemy makes of a damaged `admin` would end the reading of all rows."""


_FLAGS = {0: False, 1: True}  # SQLite has no others


class KeyTable:
    """`app.store.keys.StoredKeys` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self) -> int:
        async with self._database.reading() as connection:
            version = (await connection.execute(select(VERSIONS.c.value).where(_VERSION))).scalar_one()
        if not isinstance(version, int):
            raise StoreUnavailable("the version of its keys is no number")
        return version

    async def all(self) -> Found:
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(*_COLUMNS).order_by(KEYS.c.id))).mappings().all()
        keys, damaged = [], []
        for row in rows:
            try:
                keys.append(_key(row))
            except DamagedKey:
                damaged.append(readable(row["id"]))
        return Found(keys, damaged)

    async def add(self, key: StoredKey) -> None:
        async with self._database.writing() as connection:
            await _raise_version(connection)
            try:
                await connection.execute(insert(KEYS).values(_row(key)))
            except IntegrityError:
                raise KeyExists(f"a key {key.id!r}, or one of the same secret, exists already") from None

    async def revoke(self, id: str, at: float) -> StoredKey:  # noqa: A002
        async with self._database.writing() as connection:
            await _raise_version(connection)
            key = await _found(connection, id)
            if key.revoked_at is not None:
                return key
            return await _changed(connection, id, {"revoked_at": at})

    async def rotate(self, id: str, digest: str, at: float, grace_seconds: float = 0) -> StoredKey:  # noqa: A002
        async with self._database.writing() as connection:
            await _raise_version(connection)
            key = await _found(connection, id)
            if key.revoked_at is not None:
                raise RevokedKey(f"the key {id!r} was revoked: make another one")
            if key.expires_at is not None and key.expires_at <= at:
                raise ExpiredKey(f"the key {id!r} has expired: make another one")
            change = {"digest": digest, "previous_digest": key.digest, "previous_until": at + grace_seconds}
            try:
                return await _changed(connection, id, change)
            except IntegrityError:
                raise KeyExists("a key of the same secret exists already") from None


async def _raise_version(connection: AsyncConnection) -> None:
    """First of all: it makes those who change keys wait for each other."""
    await connection.execute(update(VERSIONS).where(_VERSION).values(value=VERSIONS.c.value + 1))


async def _found(connection: AsyncConnection, id: str) -> StoredKey:  # noqa: A002
    row = (await connection.execute(select(*_COLUMNS).where(KEYS.c.id == id))).mappings().one_or_none()
    if row is None:
        raise UnknownKey(f"there is no key {id!r}")
    return _key(row)


async def _changed(connection: AsyncConnection, id: str, change: Mapping[str, Any]) -> StoredKey:  # noqa: A002
    await connection.execute(update(KEYS).where(KEYS.c.id == id).values(change))
    return await _found(connection, id)


def _row(key: StoredKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "digest": key.digest,
        "models": None if key.models is None else json.dumps(key.models),
        "allowance": json.dumps(described(key.allowance)),
        "priority": key.priority,
        "weight": key.weight,
        "admin": key.admin,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "previous_digest": key.previous_digest,
        "previous_until": key.previous_until,
        "metadata": json.dumps(dict(key.metadata)),
    }


def _key(row: RowMapping) -> StoredKey:
    """Raises DamagedKey: another program, or another version, may have written the row."""
    try:
        given = {str(name): value for name, value in row.items()}  # SQLAlchemy's own kind of text
        found = msgspec.convert(given | {"admin": _FLAGS.get(given["admin"])}, _Row)
        models = None if found.models is None else _models.decode(found.models)
        allowance = allowance_of(msgspec.to_builtins(_limits.decode(found.allowance)))
        metadata = _metadata.decode(found.metadata)
    except (ValueError, UnicodeError, RecursionError):  # msgspec's are ValueErrors
        raise DamagedKey(
            f"the row of the key {readable(row['id'])[:64]!r} is damaged: mend it in the database"
        ) from None
    members = {name: getattr(found, name) for name in found.__struct_fields__}
    return StoredKey(**members | {"models": models, "allowance": allowance, "metadata": metadata})
