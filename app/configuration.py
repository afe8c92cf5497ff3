"""The configuration's file as this worker has it: in force, looked at, kept out where it is wrong, written."""

import asyncio
import errno
import logging
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app import config, logs
from app.background import background
from app.config import files
from app.config.faults import Fault
from app.config.history import Changed, History, Version
from app.config.lasting import after_restart, lasting
from app.config.secrets import secrets_of
from app.configuration_metrics import ConfigurationMetrics
from app.contracts import CannotStart
from app.errors import (
    ConfigurationChanged,
    ConfigurationInvalid,
    ConfigurationReadOnly,
    NoSpace,
    VersionMissing,
)
from app.health import Check
from app.routing.templates import looked_into
from app.setup import InForce
from app.swapping import Swapping

_log = logging.getLogger("hyperbridge")

SETTLE_SECONDS = 0.1
"""How long a file must stay as it is before it is read: who writes it may not be at its end."""
MOST_SETTLES = 20
"""After so many looks a file that never rests is read all the same."""
IDLE_SECONDS = 5.0
"""How often it is asked whether the file is to be looked at again, where it is not."""
MOST_SAID = 8
"""Faults that one message repeats."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REASONS: Mapping[int, str] = {
    errno.EROFS: "its file system can only be read",
    errno.EBUSY: "it is mounted by itself: mount the folder that it is in",
}


@dataclass(frozen=True, slots=True)
class _Seen:
    """The files as they were when they were read last."""

    places: Sequence[Path]
    stamp: files.Stamp = ()
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Origin:
    """The file, and where workers leave the text in force for one that has to start while the file is wrong."""

    path: Path
    spare: Path | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How the file stands: what is in force, since when, and why the file as it is now is not."""

    file: str
    settings: config.Config
    applied_at: float
    faults: Sequence[Fault]
    after_restart: Sequence[str]


class Configuration:
    """Puts the file into force when it changes, and writes it."""

    def __init__(
        self, origin: Origin, swapping: Swapping, in_force: InForce, metrics: ConfigurationMetrics
    ) -> None:
        self._path = origin.path
        self._spare = origin.spare
        self._swapping = swapping
        self._in_force = in_force
        self._metrics = metrics
        self._history = History(origin.path)
        self._alone = asyncio.Lock()
        self._faults: Sequence[Fault] = ()
        self._after_restart: Sequence[str] = ()
        self._applied_at = time.time()
        self._seen = self._first_seen()
        self._watching: asyncio.Future[None] | None = None

    @property
    def status(self) -> Status:
        settings = self._in_force.setup.settings
        return Status(self._path.name, settings, self._applied_at, self._faults, self._after_restart)

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Look at the file now and then until the block ends."""
        self._metrics.begun(self._applied_at)
        if self._spare is not None and not self._spare.exists():
            self._leave(self._now)
        loss = "changes of the configuration are not looked for any more"
        async with background(self._watch(), loss) as self._watching:
            yield

    async def _watch(self) -> None:
        while True:
            seconds = self._in_force.setup.settings.server.watch_seconds
            await asyncio.sleep(seconds or IDLE_SECONDS)
            if seconds:
                await self.look()

    async def look(self) -> None:
        """Put the file into force, where it has changed; where it is wrong, say so once, and keep what is."""
        stamp = await asyncio.to_thread(files.stamp, self._seen.places)
        if stamp == self._seen.stamp:
            return
        async with self._alone:
            await self._settled(stamp)
            before = self._seen
            self._seen = await asyncio.to_thread(_see, before.places)
            if self._seen.digest != before.digest:
                await self._read()

    async def text(self) -> str:
        """What the file says now. Raises ConfigurationInvalid."""
        try:
            return await asyncio.to_thread(config.read_text, self._path)
        except config.ConfigError as error:
            raise _invalid(error.faults) from None

    def warnings(self, settings: config.Config) -> Sequence[str]:
        """What is odd about them, without the way to the files."""
        return [self._shown(each) for each in settings.warnings]

    def _shown(self, text: str) -> str:
        named = text.replace(str(self._path), self._path.name)
        return named.removeprefix(f"{self._path.absolute().parent}/")

    async def checked(self, text: str) -> config.Config:
        """The settings of this text. Raises ConfigError."""
        return await asyncio.to_thread(self._of_text, text)

    async def valid(self, text: str) -> config.Config:
        """The same; raises ConfigurationInvalid."""
        try:
            return await self.checked(text)
        except config.ConfigError as error:
            raise _invalid(error.faults) from None

    async def write(self, text: str, version: str) -> None:
        """Make this the file's text in the place of that version, and put it into force.

        Raises ConfigurationInvalid, ConfigurationChanged, ConfigurationReadOnly and NoSpace; then nothing has changed.
        """
        if not self._in_force.setup.settings.server.watch_seconds:
            raise ConfigurationReadOnly("Nobody looks at the file: server.watch_seconds is 0.")
        async with self._alone:
            wanted = await self.valid(text)
            try:
                logs.learn(secrets_of(wanted))
                async with self._swapping.prepared(lasting(wanted, self._now)) as commit:
                    await self._written(text, version)
                    self._commit(wanted, commit)
                    self._seen = await asyncio.to_thread(_see, files.named(wanted, self._path))
                    await asyncio.to_thread(self._leave, wanted)
            except config.ConfigError as error:
                raise _invalid(error.faults) from None
            except (CannotStart, ValueError) as error:
                raise ConfigurationInvalid(f"The configuration cannot come into force: {error}") from None

    async def rollback(self, version: str) -> None:
        """Make an earlier text the file's again. Raises what `write` raises, and VersionMissing."""
        text = await asyncio.to_thread(self._history.text, version)
        if text is None:
            raise VersionMissing(f"No version {version[:64]!r} of the configuration is kept.")
        await self.write(text, config.version_of(await self.text()))

    async def history(self) -> Sequence[Version]:
        return await asyncio.to_thread(self._history.versions)

    def check(self) -> Check:
        if self._watching is not None and self._watching.done():
            return Check(
                "configuration",
                "unhealthy",
                "changes of the file are not looked for any more",
                "Start the gateway again, and report the defect that its log shows.",
            )
        if self._faults:
            first, name = self._faults[0], Path(self._faults[0].file).name
            return Check(
                "configuration",
                "degraded",
                f"the file has changed and is not in force: line {first.line} of {name} is wrong"
                + (f", and {len(self._faults) - 1} more" if len(self._faults) > 1 else ""),
                f"Mend {name}: `hyperbridge check` and the log say what is wrong.",
            )
        if self._after_restart:
            later = ", ".join(self._after_restart)
            return Check("configuration", "healthy", f"in force; takes effect after a restart: {later}")
        return Check("configuration", "healthy", "in force as the file says")

    @property
    def _now(self) -> config.Config:
        return self._in_force.setup.settings

    def _first_seen(self) -> _Seen:
        """The files as they are; where they have changed since the settings were read, as never seen."""
        places = files.named(self._now, self._path)
        try:
            version = config.version_of(config.read_text(self._path))
        except config.ConfigError:
            version = ""
        return _see(places) if version == self._now.version else _Seen(places)

    async def _settled(self, stamp: files.Stamp) -> None:
        """Until the files have stayed the same for a moment."""
        for _ in range(MOST_SETTLES):
            await asyncio.sleep(SETTLE_SECONDS)
            before, stamp = stamp, await asyncio.to_thread(files.stamp, self._seen.places)
            if stamp == before:
                return

    async def _read(self) -> None:
        try:
            wanted = await asyncio.to_thread(self._load)
            self._seen = await asyncio.to_thread(_see, files.named(wanted, self._path))
            logs.learn(secrets_of(wanted))
            async with self._swapping.prepared(lasting(wanted, self._now)) as commit:
                self._commit(wanted, commit)
            await asyncio.to_thread(self._leave, wanted)
        except config.ConfigError as error:
            self._keep_out(error.faults)
        except (CannotStart, ValueError) as error:
            self._keep_out([Fault(str(self._path), 1, 1, "", str(error))])

    def _load(self) -> config.Config:
        return self._of_text(config.read_text(self._path))

    def _of_text(self, text: str) -> config.Config:
        environment = config.read_environment(self._path.absolute().parent)
        return looked_into(config.of_text(text, self._path, environment))

    def _commit(self, wanted: config.Config, commit: Callable[[], None]) -> None:
        self._after_restart = tuple(after_restart(wanted, self._now))
        commit()
        self._faults = ()
        self._applied_at = time.time()
        for warning in wanted.warnings:
            _log.warning("%s", warning)
        later = ", ".join(self._after_restart)
        _log.info(
            "configuration %s is in force%s",
            wanted.version,
            f"; takes effect after a restart: {later}" if later else "",
        )
        self._metrics.applied(self._applied_at)

    def _keep_out(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        _log.error("the configuration has changed and is kept out: %s", _said(faults))
        self._metrics.kept_out()

    def _leave(self, settings: config.Config) -> None:
        """Leave the text for a worker that takes the place of a dead one."""
        if self._spare is None:
            return
        beside = self._spare.with_name(f"{self._spare.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
                stream.write(settings.text.encode())
            beside.rename(self._spare)
        except OSError as error:
            _log.warning("the configuration in force was not left for other workers: %s", error.strerror)

    async def _written(self, text: str, version: str) -> None:
        try:
            await asyncio.to_thread(self._history.write, text, version)
        except Changed:
            raise ConfigurationChanged(
                "The file is not that version any more: read it again, and see what has changed."
            ) from None
        except OSError as error:
            if error.errno in _FULL:
                raise NoSpace(f"The disk of {self._path.name} is full: nothing was changed.") from None
            reason = _REASONS.get(error.errno or 0, error.strerror)
            raise ConfigurationReadOnly(f"The file cannot be written: {reason}.") from None


def _see(places: Sequence[Path]) -> _Seen:
    return _Seen(places, files.stamp(places), files.digest(places))


def _said(faults: Sequence[Fault]) -> str:
    more = f"; and {len(faults) - MOST_SAID} more" if len(faults) > MOST_SAID else ""
    return "; ".join(map(str, faults[:MOST_SAID])) + more


def _invalid(faults: Sequence[Fault]) -> ConfigurationInvalid:
    named = [
        f"{Path(each.file).name}, line {each.line}, column {each.column}: {each.path}: {each.message}"
        for each in faults
    ]
    more = f"; and {len(named) - MOST_SAID} more" if len(named) > MOST_SAID else ""
    return ConfigurationInvalid(f"The text is no valid configuration: {'; '.join(named[:MOST_SAID])}{more}.")
