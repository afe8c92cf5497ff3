"""The keys in their table."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.database import Database
from app.store.faults import KeyExists, RevokedKey, UnknownKey
from app.store.keys import StoredKey, allowance_of, described
from app.store.tables import KEYS, VERSIONS

_VERSION = VERSIONS.c.name == "keys"


class KeyTable:
    """`app.store.keys.Keys` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self) -> int:
        async with self._database.reading() as connection:
            return int((await connection.execute(select(VERSIONS.c.value).where(_VERSION))).scalar_one())

    async def all(self) -> Sequence[StoredKey]:
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(KEYS).order_by(KEYS.c.id))).mappings()
            return [_key(row) for row in rows]

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

    async def rotate(self, id: str, digest: str, previous_until: float) -> StoredKey:  # noqa: A002
        async with self._database.writing() as connection:
            await _raise_version(connection)
            key = await _found(connection, id)
            if key.revoked_at is not None:
                raise RevokedKey(f"the key {id!r} was revoked: make another one")
            change = {"digest": digest, "previous_digest": key.digest, "previous_until": previous_until}
            try:
                return await _changed(connection, id, change)
            except IntegrityError:
                raise KeyExists("a key of the same secret exists already") from None


async def _raise_version(connection: AsyncConnection) -> None:
    """First of all: it makes those who change keys wait for each other."""
    await connection.execute(update(VERSIONS).where(_VERSION).values(value=VERSIONS.c.value + 1))


async def _found(connection: AsyncConnection, id: str) -> StoredKey:  # noqa: A002
    row = (await connection.execute(select(KEYS).where(KEYS.c.id == id))).mappings().one_or_none()
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
    members = dict(row)
    models = members["models"]
    members["models"] = None if models is None else tuple(json.loads(models))
    members["allowance"] = allowance_of(json.loads(members["allowance"]))
    members["metadata"] = json.loads(members["metadata"])
    return StoredKey(**members)
