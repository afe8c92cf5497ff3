"""Questions and answers that shall be remembered, when the client has its answer."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.archive import Archive
from app.codecs.turns import Chat
from app.contracts import Call
from app.errors import Failure
from app.forming import RULES
from app.journal import Record
from app.memory.wanted import MOST_CHARACTERS, MOST_NAME_CHARACTERS, WantedScenes, WantedTurn
from app.overheard import Overheard
from app.scene_vectors import Vectors
from app.spoken import spoken

MOST_WAITING = 64
"""Answers that are not remembered yet; what comes beyond that is not."""
STOP_SECONDS = 2.0
"""How long a stop waits for them."""
_log = logging.getLogger("hyperbridge")


@dataclass(frozen=True, slots=True)
class Note:
    """A call whose answer was heard to its end, what makes vectors of both, and for how long they are remembered."""

    call: Call
    record: Record
    heard: Overheard
    vectors: Vectors | None
    expires_seconds: int | None

    def wanted(self) -> WantedScenes | None:
        """The newest question and its answer; None where there are none, or more of them than a memory takes at once."""
        chat, body = Chat.of(self.call.request), self.heard.body
        if chat is None or body is None:
            return None
        asked = [each.turn for each in chat.messages() if each.turn.trust == "user"][-1:]
        answer = spoken(body, self.call.operation.dialect, streams=self.record.streams).text
        if not asked or not answer.strip() or len(asked[0].text) + len(answer) > MOST_CHARACTERS:
            return None
        name = "" if asked[0].agent == "user" else asked[0].agent[:MOST_NAME_CHARACTERS]
        question = WantedTurn(role="user", text=asked[0].text, agent=name)
        return WantedScenes(
            session=self.call.wishes.remember,
            turns=(question, WantedTurn(role="assistant", text=answer)),
            expires_seconds=self.expires_seconds,
        )


class Noting:
    """Remembers for one worker. `told` hears of each how it went: `ok`, `failed`, or `skipped`."""

    def __init__(self, archive: Archive, told: Callable[[str], None]) -> None:
        self._archive = archive
        self._told = told
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Remember until the block ends; what waits then is remembered soon, or not at all."""
        try:
            yield
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def begin(self, note: Note) -> None:
        """The answer was heard to its end: remember it. Returns at once."""
        if len(self._tasks) >= MOST_WAITING:
            self._told("skipped")
            return
        task = asyncio.ensure_future(self._keep(note))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, note: Note) -> None:
        try:
            wanted = await asyncio.to_thread(note.wanted)
            if wanted is not None:
                await self._archive.keep(note.call, wanted, RULES, note.vectors)
        except Failure as failure:
            _log.warning("an answer is not remembered: %s", failure.kind)
            self._told("failed")
        except Exception:  # noqa: BLE001 - a defect of ours: nobody waits here who could be told
            _log.exception("an answer is not remembered")
            self._told("failed")
        else:
            self._told("skipped" if wanted is None else "ok")
