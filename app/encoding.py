"""Which prompts are said in fewer tokens, where that is done, and what is measured of those that are not."""

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import BoundedSemaphore
from time import perf_counter

from app.accounted import Accounting
from app.codecs.identity import Identity
from app.codecs.scenes import Scenes
from app.contracts import Call, Encoded, Layer, Route, Saving
from app.operations import Dialect
from app.scene_metrics import SceneMetrics
from app.wire import Request

MOST_BYTES_ON_LOOP = 16 * 1024
"""A longer prompt is encoded in a thread, so that other calls go on meanwhile."""
MOST_MEASURED = 2
"""Prompts that are measured at once; while so many are, no other one is."""

_IDENTITY = Identity()
_MEASURED: tuple[Layer, ...] = ("safe", "codebook")
_THREADS = 2
_log = logging.getLogger("hyperbridge")


class Threads:
    """Where long prompts are encoded, and samples are measured."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="scenes")
        self._free = BoundedSemaphore(MOST_MEASURED)

    async def run(self, encode: Callable[[], tuple[Request, Saving]]) -> tuple[Request, Saving]:
        return await asyncio.get_running_loop().run_in_executor(self._pool, encode)

    def measure(self, measure: Callable[[], None]) -> None:
        """Do so once in a while; nobody waits for it."""
        if self._free.acquire(blocking=False):
            self._pool.submit(self._measure, measure)

    def _measure(self, measure: Callable[[], None]) -> None:
        try:
            measure()
        except Exception:  # noqa: BLE001 - a defect of ours: nobody waits here who could be told
            _log.exception("the measuring of scenes failed")
        finally:
            self._free.release()


class Encoding:
    """Encodes prompts as call, route and configuration say; `layer` is meant where neither of the others says any."""

    def __init__(
        self, scenes: Scenes, layer: Layer, sample: float, threads: Threads, metrics: SceneMetrics
    ) -> None:
        """`sample` is the share of the calls of layer `shadow` that are measured."""
        self._scenes = scenes
        self._layer = layer
        self._sample = sample
        self._threads = threads
        self._metrics = metrics

    async def encode(self, call: Call, route: Route, request: Request) -> Encoded:
        layer = call.wishes.scenes or route.scenes or self._layer
        if layer == "off":
            return Encoded(request, _IDENTITY)
        dialect = call.operation.dialect
        if layer == "shadow":
            if self._sample and random.random() < self._sample:  # noqa: S311 - a sample
                self._threads.measure(lambda: self._measure(request, dialect, route.model))
            return Encoded(request, _IDENTITY)
        encoded, saving = await self._encoded(request, dialect, route.model, layer)
        self._metrics.sent(saving)
        return Encoded(encoded, Accounting(saving, dialect), saving)

    async def _encoded(
        self, request: Request, dialect: Dialect, model: str, layer: Layer
    ) -> tuple[Request, Saving]:
        if len(request.members.body) <= MOST_BYTES_ON_LOOP:
            return self._timed(request, dialect, model, layer)
        return await self._threads.run(lambda: self._timed(request, dialect, model, layer))

    def _timed(self, request: Request, dialect: Dialect, model: str, layer: Layer) -> tuple[Request, Saving]:
        began = perf_counter()
        encoded, saving = self._scenes.encode(request, dialect, model, layer)
        return encoded, replace(saving, seconds=perf_counter() - began)

    def _measure(self, request: Request, dialect: Dialect, model: str) -> None:
        for layer in _MEASURED:
            self._metrics.measured(self._timed(request, dialect, model, layer)[1])
