"""One answer, from the request to its end, as its script says."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from sim import refusals
from sim.bodies import Speech, Step
from sim.framing import Framing, Reply
from sim.house import Admitted, House, refused
from sim.occasions import Occasions
from sim.script import BadScript, Script
from sim.seen import Seen
from sim.words import Refused, prompt_tokens, task

HEADER = "x-sim"
"""A script in a header, for those who ask the twin directly."""
STREAM = "text/event-stream; charset=utf-8"
HTML = Reply(200, "text/html", b"<html><body>Please sign in to this network.</body></html>")
_NEWLINES = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}


@dataclass(slots=True)
class Answering:
    """Answers one request; what is said of its end goes to `seen`."""

    house: House
    occasions: Occasions
    recordings: Path | None
    seen: Seen
    writer: asyncio.StreamWriter

    async def run(self) -> bool:
        """False where the connection ends with the answer."""
        page = self.house.page(self.seen)
        if page is not None:
            return await self._whole(page)
        try:
            request, script = self._asked()
        except BadScript as error:
            return await self._whole(refused(400, self.house.dialect, str(error)))
        admitted = self.house.admit(self.seen, request, _now())
        if isinstance(admitted, Reply):
            return await self._whole(admitted)
        try:
            return await self._follow(request, script, admitted)
        finally:
            self.house.counted(self.seen, _now())

    def _asked(self) -> tuple[Mapping[str, Any], Script]:
        """The request and its script. Raises BadScript."""
        try:
            request = self.seen.json()
        except orjson.JSONDecodeError:
            raise BadScript("The body is not JSON.") from None
        if not isinstance(request, dict):
            raise BadScript("The body is not an object.")
        self.seen.model = str(request.get("model", ""))
        self.seen.prompt_tokens = prompt_tokens(request)
        told = self.seen.headers.get(HEADER, "")
        script = Script.of(self.seen.model, told)
        script = self.occasions.script(f"{self.seen.model} {told}", script, _now())
        if script.replay and self.recordings is None:
            raise BadScript("There are no recordings here.")
        return request, replace(script, dialect=script.dialect or self.house.dialect)

    async def _follow(self, request: Mapping[str, Any], script: Script, admitted: Admitted) -> bool:
        framing = Framing(self.writer, script, admitted.headers)
        await asyncio.sleep(script.head)
        if script.cut == 0 or (script.reset and script.cut < 0):
            return framing.break_off()
        if script.replay:
            return await self._replayed(framing, script)
        answer = self._answer(request, script, admitted)
        if isinstance(answer, Reply):
            return await self._sent(framing, script, answer)
        if request.get("stream"):
            return await self._stream(framing, answer)
        await asyncio.sleep(script.first)
        body, tokens = answer.plain()
        return await self._sent(framing, script, Reply(200, refusals.JSON, body), tokens)

    def _answer(self, request: Mapping[str, Any], script: Script, admitted: Admitted) -> Speech | Reply:
        """What is said, or what is answered in its place."""
        if script.status != 200:
            return Reply(script.status, *refusals.refusal(script))
        if script.html:
            return HTML
        try:
            asked = task(self.seen.page, request, script)
        except Refused as error:
            return refused(400, script.dialect, str(error))
        return Speech(self.seen.page, request, script, asked, admitted.envelope)

    async def _whole(self, reply: Reply) -> bool:
        script = Script()
        return await self._sent(Framing(self.writer, script, {}), script, reply)

    async def _sent(self, framing: Framing, script: Script, reply: Reply, tokens: int = 0) -> bool:
        self.seen.status = reply.status
        self.seen.sent_tokens = tokens
        goes_on = await framing.whole(reply)
        self.seen.ended = script.cut < 0 and not script.truncated
        return goes_on

    async def _replayed(self, framing: Framing, script: Script) -> bool:
        assert self.recordings is not None
        path = self.recordings / script.replay
        if path.suffix != ".sse":
            return await self._sent(framing, script, Reply(200, refusals.JSON, path.read_bytes()))
        self.seen.status = 200
        framing.head(200, "text/event-stream", None, {})
        await framing.event(path.read_bytes())
        self.seen.ended = True
        return await framing.end()

    async def _stream(self, framing: Framing, speech: Speech) -> bool:
        script = speech.script
        self.seen.status = 200
        framing.head(200, STREAM, None, {})
        async for step in _paced(speech.events(), script):
            if self.seen.sent_tokens == script.cut:
                return framing.break_off()
            event = b"data: " + step.data + _NEWLINES[script.newline] * 2
            if not step.opening and self.seen.sent_tokens == script.stall:
                await asyncio.Event().wait()
            if script.truncated and not step.opening and self.seen.sent_tokens == script.chunks // 2:
                await framing.event(event[: len(event) // 2])
                return await framing.end()
            await framing.event(event)
            self.seen.sent_tokens += step.tokens
        self.seen.ended = True
        return await framing.end()


async def _paced(steps: Iterator[Step], script: Script) -> AsyncIterator[Step]:
    """Each step at the script's pace."""
    waits = script.first
    for step in steps:
        if not step.opening:
            await asyncio.sleep(waits)
            waits = script.gap
        yield step


def _now() -> float:
    return asyncio.get_running_loop().time()
