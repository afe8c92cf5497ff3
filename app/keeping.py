"""What outlives the process: the database, and the ledger that writes into it; or nothing, where none is wanted."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app import config
from app.background import background
from app.comparisons import Comparisons
from app.contracts import CannotStart
from app.health import Check
from app.journal import Reader
from app.ledger import Ledger
from app.loras.shared import Held, Shared
from app.memory.expiry import expiring
from app.memory.memory import Bounds, Memory
from app.store.faults import StoreUnavailable
from app.store.shadows import Comparison
from app.store.usage import Usage

if TYPE_CHECKING:
    from app.store.opening import Store


class Keeping:
    """The store of the settings, None where they name none; `told` hears how many calls are not written yet.

    One that `waits` takes what is used also while the database does not answer at the start.
    """

    def __init__(self, settings: config.Store, told: Callable[[int], None], *, waits: bool = False) -> None:
        self._waits = waits
        self.store = _store(settings)
        self.memory = None if self.store is None else _memory(self.store, settings.memory)
        self._ledger = None if self.store is None else Ledger(self.store.usage, settings.flush_seconds, told)
        self._comparisons = (
            None if self.store is None else Comparisons(self.store.shadows, settings.flush_seconds)
        )

    @property
    def readers(self) -> Sequence[Reader]:
        return () if self._ledger is None else (self._ledger.read,)

    def compared(self, comparison: Comparison) -> None:
        """Keep what a shadow answered."""
        if self._comparisons is not None:
            self._comparisons.add(comparison)

    @property
    def usage(self) -> Usage | None:
        return None if self.store is None else self.store.usage

    @property
    def fleets(self) -> Shared:
        """Where it is written down what fleets shall have; without a database in this process alone."""
        if self.store is None:
            return Held()
        from app.store.lora_table import LoraTable  # noqa: PLC0415 - as below

        return LoraTable(self.store.database)

    @property
    def checks(self) -> Sequence[Callable[[], Check]]:
        return (self._stored,)

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Hold the store open while usage is written into it; the last of it before it is closed.

        Raises CannotStart.
        """
        if self.store is None or self._ledger is None or self._comparisons is None or self.memory is None:
            yield
            return
        try:
            await self._start(self.store)
            writing = [asyncio.ensure_future(each.keep()) for each in (self._ledger, self._comparisons)]
            try:
                async with background(expiring(self.memory), "scenes that have expired are deleted no more"):
                    yield
            finally:
                for task in writing:
                    task.cancel()
                await asyncio.wait(writing)
                await self._comparisons.flush()
                await self._ledger.close()
        finally:
            await self.store.close()

    async def _start(self, store: "Store") -> None:
        try:
            await store.start()
        except StoreUnavailable as unavailable:
            if not self._waits:
                raise CannotStart(f"store.url: {unavailable}") from None

    def _stored(self) -> Check:
        ledger = self._ledger
        if ledger is None:
            return Check("store", "healthy", "none: neither keys nor usage are kept")
        if not ledger.failing:
            return Check("store", "healthy", "takes what is used")
        return Check(
            "store",
            "degraded",
            f"does not take what is used: {ledger.unwritten} calls wait in memory",
            "See whether the database of store.url runs, and has room; it is tried again by itself.",
        )


def _store(settings: config.Store) -> "Store | None":
    if settings.url is None:
        return None
    from app.store.opening import Store  # noqa: PLC0415 - what it imports takes a third of a second

    return Store(settings.url.get_secret_value())


def _memory(store: "Store", room: config.Room) -> Memory:
    from app.memory.scene_table import SceneTable  # noqa: PLC0415 - as above

    return SceneTable(store.database, Bounds(room.most_scenes, room.most_bytes))
