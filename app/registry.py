"""The keys of the database as this worker knows them: read at the start, read again when they change, and changed here."""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from app import config
from app.background import background
from app.config.values import is_loopback
from app.contracts import Caller, CannotStart
from app.errors import BadRequest, KeyConflict, KeyMissing, NoStore
from app.health import Check
from app.keys.granting import WantedGrant
from app.keys.grants import SECRET_BYTES, Grant, Signer
from app.keys.keyring import Held, Keyring
from app.keys.wanted import WantedKey, new_key, of_file, told, unknown_models
from app.store.faults import (
    DamagedKey,
    ExpiredKey,
    KeyExists,
    RevokedKey,
    StoreFault,
    StoreUnavailable,
    UnknownKey,
)
from app.store.keys import StoredKey, StoredKeys

if TYPE_CHECKING:
    from app.store.opening import Store

_log = logging.getLogger("hyperbridge")

POLL_SECONDS = 0.5
"""How often each worker asks whether keys have changed: within twice as long every worker knows."""
REMINDER_SECONDS = 60.0
"""How often the log says that the database does not answer."""
MOST_NAMED = 8


class Registry:
    """Keeps a keyring like the store, which is None where there is none. With `signs` the store's secret signs short-lived
    keys. One that `waits` begins also while the store does not answer: then it knows the keys of the file alone.
    """

    def __init__(
        self,
        settings: config.Config,
        keyring: Keyring,
        store: "Store | None",
        *,
        signs: bool,
        waits: bool = False,
    ) -> None:
        self._keyring = keyring
        self._store = store
        self._must_sign = signs
        self._waits = waits
        self._version = -1
        self._reading = asyncio.Lock()
        self._read_at = -math.inf
        self._failing = False
        self._reminded = -math.inf
        self._damaged: Sequence[str] = ()
        self._watching: asyncio.Future[None] | None = None
        self.configure(settings)

    def configure(self, settings: config.Config) -> None:
        """From here on, these are the settings."""
        self._settings = settings
        self._configured = {key.id: of_file(key) for key in settings.keys}

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Hold the keyring as the store is; the store has started. Raises CannotStart."""
        if self._store is None:
            self.look_who_is_let_in(self._settings)
            yield
            return
        try:
            await self._refresh()
        except StoreUnavailable as error:
            if not self._waits:
                raise CannotStart(f"store.url: the keys cannot be read: {error}") from None
            self._begin_blind(error)
        else:
            self.look_who_is_let_in(self._settings)
        async with background(self._watch(), "changes of keys are not looked for any more") as self._watching:
            yield

    def _begin_blind(self, error: StoreUnavailable) -> None:
        self._keyring.is_blind = True
        self._fail(error)
        try:
            self.look_who_is_let_in(self._settings)
        except CannotStart:  # the worker before could start, so there were keys
            self._keyring.is_open = False

    @property
    def checks(self) -> Sequence[Callable[[], Check]]:
        return (self._check,)

    async def all(self) -> Sequence[Mapping[str, Any]]:
        """Every key, those of the file first. Raises NoStore."""
        now = time.time()
        stored = [] if self._store is None else await self._stored()
        return [
            *(told(key, now, "file") for key in self._configured.values()),
            *(told(key, now) for key in stored),
        ]

    async def one(self, id: str) -> Mapping[str, Any]:  # noqa: A002
        """Raises KeyMissing and NoStore."""
        found = next((each for each in await self.all() if each["id"] == id), None)
        if found is None:
            raise KeyMissing(_missing(id))
        return found

    async def make(self, wanted: WantedKey) -> tuple[str, Mapping[str, Any]]:
        """The key, which is shown this once, and what is told of it. Raises BadRequest, KeyConflict and NoStore."""
        if wanted.id in self._configured:
            raise KeyConflict(f"The configuration has a key {wanted.id!r}: choose another id.", param="id")
        self._must_know(wanted.models)
        now = time.time()
        key, stored = wanted.made(now)
        if stored.expires_at is not None and stored.expires_at <= now:
            raise BadRequest("'expires_at' is over already.", param="expires_at")
        try:
            await self._keys.add(stored)
        except StoreFault as fault:
            raise _as_failure(fault) from None
        await self._catch_up()
        return key, told(stored, now)

    async def revoke(self, id: str, by: Caller) -> Mapping[str, Any]:  # noqa: A002
        """It counts no more. Raises KeyMissing, KeyConflict and NoStore."""
        if id == by.id:
            raise KeyConflict(
                "A key does not revoke itself, so that one who may manage keys is always left: rotate it, or ask with "
                "another one."
            )
        self._changeable(id)
        try:
            stored = await self._keys.revoke(id, time.time())
        except StoreFault as fault:
            raise _as_failure(fault) from None
        await self._catch_up()
        return told(stored, time.time())

    async def rotate(self, id: str, grace_seconds: int) -> tuple[str, Mapping[str, Any]]:  # noqa: A002
        """Another key in its place; the one before counts so much longer. Raises KeyMissing, KeyConflict and NoStore."""
        self._changeable(id)
        key, digest = new_key(id)
        now = time.time()
        try:
            stored = await self._keys.rotate(id, digest, now, grace_seconds)
        except StoreFault as fault:
            raise _as_failure(fault) from None
        await self._catch_up()
        return key, told(stored, now)

    def lend(self, held: Held, wanted: WantedGrant) -> tuple[str, Grant]:
        """A short-lived key made from this one. Raises BadRequest, ForbiddenGrant, ForbiddenModel and NoStore."""
        if self._must_sign and self._store is not None:
            raise NoStore("The database that has the secret of short-lived keys does not answer: ask again.")
        made = wanted.made(held, self._keyring.signer, time.time())
        self._must_know(wanted.models or ())  # after its rights: they tell nobody which names there are
        return made

    @property
    def _keys(self) -> StoredKeys:
        if self._store is None:
            raise NoStore("This gateway keeps no keys: store.url names no database.")
        return self._store.keys

    def _must_know(self, models: Sequence[str]) -> None:
        unknown = unknown_models(models, self._settings.models, self._settings.upstreams)
        if unknown:
            raise BadRequest(
                f"'models' names {unknown[0][:128]!r}, which is neither a configured model nor upstream/model.",
                param="models",
            )

    def _changeable(self, id: str) -> None:  # noqa: A002
        if id in self._configured:
            raise KeyConflict(f"The key {id!r} stands in the configuration's file: change it there.")

    async def _stored(self) -> Sequence[StoredKey]:
        try:
            return (await self._keys.all()).keys
        except StoreUnavailable as unavailable:
            raise _as_failure(unavailable) from None

    async def _catch_up(self) -> None:
        """This worker knows its own changes at once; the others see them when they look."""
        try:
            await self._refresh()
        except StoreUnavailable as error:
            self._fail(error)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._refresh()
            except StoreUnavailable as error:
                self._fail(error)

    async def _refresh(self) -> None:
        """Read the keys where they have changed. Raises StoreUnavailable."""
        async with self._reading:
            await self._find_secret()
            version = await self._keys.version()
            if version != self._version:
                found = await self._keys.all()
                self._keyring.replace(found.keys, found.damaged)
                self._version = version
                if new := sorted(set(found.damaged) - set(self._damaged)):
                    _log.error(
                        "the rows of these keys are damaged, and the keys do not count: %s", _listed(new)
                    )
                self._damaged = found.damaged
        self._read_at = time.monotonic()
        if self._failing:
            self._failing = False
            self._reminded = -math.inf
            _log.warning("the database tells its keys again")

    async def _find_secret(self) -> None:
        if self._must_sign and self._store is not None:
            secret = await self._store.secret("grants", secrets.token_bytes(SECRET_BYTES))
            self._keyring.sign_with(Signer(secret))
            self._must_sign = False

    def _fail(self, error: StoreUnavailable) -> None:
        self._failing = True
        if time.monotonic() - self._reminded >= REMINDER_SECONDS:
            self._reminded = time.monotonic()
            _log.error("the database does not tell its keys (%s): those that are known count on", error)

    def _check(self) -> Check:
        if self._watching is not None and self._watching.done():
            return Check(
                "keys",
                "unhealthy",
                "changes are not looked for any more: a key that is revoked goes on counting",
                "Start the gateway again, and report the defect that its log shows.",
            )
        if self._keyring.is_blind:
            return Check(
                "keys",
                "degraded",
                "those of the file alone: the database has not told its own since this worker took the place of another",
                "See whether the database of store.url runs; until then its keys are refused with 503.",
            )
        if self._failing:
            return Check(
                "keys",
                "degraded",
                f"known as they were {time.monotonic() - self._read_at:.0f} seconds ago: the database does not tell them",
                "See whether the database of store.url runs; until then no change of a key is seen.",
            )
        if self._damaged:
            return Check(
                "keys",
                "degraded",
                f"the rows of these keys are damaged, and the keys do not count: {_listed(self._damaged)}",
                "Mend or delete the rows in the database, and raise the value of 'keys' in the table versions.",
            )
        if self._keyring.is_open:
            return Check("keys", "healthy", "there is none: everyone on this machine is let in")
        return Check("keys", "healthy", "demanded, and known as they are now")

    def look_who_is_let_in(self, settings: config.Config) -> None:
        """Raises CannotStart where these settings would let in who has no key, from anywhere."""
        if settings.keys or not self._keyring.is_open:
            return
        if "*" in settings.server.cors_origins:
            raise CannotStart(
                "server.cors_origins: * lets every web page in, and there is no key: make one with `hyperbridge keys "
                "create NAME --all-models`"
            )
        if not is_loopback(settings.server.host):
            raise CannotStart(
                f"server.host {settings.server.host} is reachable from other machines, and there is no key: make "
                "one with `hyperbridge keys create NAME --all-models`"
            )


def _listed(ids: Sequence[str]) -> str:
    shown = ", ".join(repr(id[:64]) for id in ids[:MOST_NAMED])  # noqa: A001
    return shown + (f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else "")


def _missing(id: str) -> str:  # noqa: A002
    return f"There is no key {id[:64]!r}."


def _as_failure(fault: StoreFault) -> BadRequest | KeyConflict | KeyMissing | NoStore:
    """A fault of the store, as a client is told."""
    said = f"{str(fault)[:1].upper()}{str(fault)[1:]}."
    if isinstance(fault, (DamagedKey, ExpiredKey, KeyExists, RevokedKey)):
        return KeyConflict(said)
    if isinstance(fault, UnknownKey):
        return KeyMissing(said)
    return NoStore("The database of keys does not answer: ask again.", detail=str(fault))
