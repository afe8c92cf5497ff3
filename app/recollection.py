"""What bears on a question, put beneath it: out of the key's own memory and other sources, as the client asks.

    user: Where do we meet?            user: Where do we meet?
                                             [Recalled from memory:trip, word for word: ...]

What was put beneath a message stands there in every later turn, whatever is remembered by then, so that a prompt keeps its
beginning for the upstream's cache.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from time import perf_counter
from typing import Any

import msgspec
import orjson

from app.archive import Archive
from app.contracts import Call, Caller, Recalled
from app.errors import BadRequest, Failure, ForbiddenMemory, NoStore
from app.journal import Record
from app.memory.wanted import MOST_QUESTION_CHARACTERS
from app.operations import CHAT
from app.pins import Pins
from app.retriever import Retriever, Unanswered
from app.retrieving import OfMemory
from app.scene_vectors import Vectors
from app.store.faults import StoreUnavailable
from app.wire import Members, Request
from scenes.recollected import Passage, behind, recollected, without

MEMORY = "memory"
_SESSION = f"{MEMORY}:"
AT_ONCE = 16
"""Calls that ask their sources at once; the others wait."""

_log = logging.getLogger("hyperbridge")
_raws = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Outside:
    """A configured retriever, and the ids of the keys that may ask it; None is every key."""

    retriever: Retriever
    keys: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Message:
    """A message of the user's: its place, what names it in its conversation, and its own words."""

    place: int
    key: str
    text: str


@dataclass(slots=True)
class Recollection:
    """Asks sources; `budget_tokens` is what comes beneath one question at most."""

    archive: Archive
    vectors: Vectors | None
    outside: Mapping[str, Outside]
    pins: Pins
    budget_tokens: int
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def recalled(self, call: Call, record: Record) -> Call:
        """The call with what it wants recalled. Raises BadRequest and ForbiddenMemory for what it cannot have, and NoStore."""
        wishes = call.wishes
        if not wishes.recall and not wishes.remember:
            return call
        self._refuse(call)
        if not wishes.recall:
            return call
        began = perf_counter()
        async with self._free:
            request, told = await self._asked(call)
        record.recalled = replace(told, seconds=perf_counter() - began)
        return replace(call, request=request)

    def _refuse(self, call: Call) -> None:
        wishes = call.wishes
        wanted = "recall" if wishes.recall else "remember"
        if call.operation is not CHAT:
            raise BadRequest(f"hyperbridge.{wanted} is for chat completions.", param="hyperbridge")
        wants_memory = wishes.remember or any(_is_memory(each) for each in wishes.recall)
        if wants_memory and call.caller.grant:
            raise ForbiddenMemory("A short-lived key has no memory: ask with the key that it was made from.")
        if wants_memory and not self.archive.exists:
            raise NoStore("This gateway remembers nothing: store.url names no database.")
        for name in wishes.recall:
            if not _is_memory(name):
                self._refuse_outside(name, call.caller)

    def _refuse_outside(self, name: str, caller: Caller) -> None:
        outside = self.outside.get(name)
        allowed = outside is not None and (outside.keys is None or caller.id in outside.keys)
        if not allowed:  # whether it is there is nobody's business who may not ask it
            known = [each for each, one in self.outside.items() if one.keys is None or caller.id in one.keys]
            raise BadRequest(
                f"There is no source {name!r} to recall from: name {', '.join((MEMORY, _SESSION + 'SESSION', *known))}.",
                param="hyperbridge",
            )

    async def _asked(self, call: Call) -> tuple[Request, Recalled]:
        """The request with what was recalled in it, and what that was."""
        raws, messages, asks = _read(call)
        tenant = f"{call.caller.id}/{call.caller.grant}" if call.caller.grant else call.caller.id
        try:
            blocks = dict(await self.pins.of(tenant, [each.key for each in messages]))
            counts, failed = dict[str, int](), list[str]()
            if asks and messages[-1].key not in blocks:
                block, counts, failed = await self._found(call, messages[-1].text)
                if block:
                    blocks[messages[-1].key] = block
                    await self.pins.put(tenant, messages[-1].key, block)
        except StoreUnavailable as fault:
            _log.warning("a call goes on without what it wants recalled: %s", fault)
            return call.request, Recalled(failed=tuple(call.wishes.recall))
        beneath = {each.place: blocks[each.key] for each in messages if each.key in blocks}
        kept = len(beneath) - (1 if any(counts.values()) else 0)
        return _with_blocks(call.request, raws, beneath), Recalled(counts, tuple(failed), kept)

    async def _found(self, call: Call, question: str) -> tuple[str, dict[str, int], list[str]]:
        """The block for a question, how many passages each source has in it, and which did not answer."""
        names = [*dict.fromkeys(call.wishes.recall)]
        answers = await asyncio.gather(*(self._passages(call, name, question) for name in names))
        failed = [name for name, passages in zip(names, answers, strict=True) if passages is None]
        found = {
            name: passages for name, passages in zip(names, answers, strict=True) if passages is not None
        }
        told = recollected(found, self.budget_tokens)
        return told.text, told.counts, failed

    async def _passages(self, call: Call, name: str, question: str) -> Sequence[Passage] | None:
        """None where the source does not answer."""
        if not question.strip():
            return ()
        try:
            return await self._source(name).passages(call, question[:MOST_QUESTION_CHARACTERS])
        except Unanswered as why:
            _log.warning("a call goes on without what %s would recall, which %s", name.partition(":")[0], why)
        except Failure as failure:
            _log.warning(
                "a call goes on without what %s would recall: %s", name.partition(":")[0], failure.kind
            )
        return None

    def _source(self, name: str) -> Retriever:
        if not _is_memory(name):
            return self.outside[name].retriever
        return OfMemory(self.archive, name.removeprefix(MEMORY).removeprefix(":"), self.vectors)


def _is_memory(name: str) -> bool:
    return name == MEMORY or name.startswith(_SESSION)


def _read(call: Call) -> tuple[Sequence[bytes], Sequence[_Message], bool]:
    """The messages, those of the user's, and whether the last one asks."""
    try:
        raws = [bytes(raw) for raw in _raws.decode(call.request.members.raw("messages") or b"[]")]
        values = [orjson.loads(raw) for raw in raws]
    except (msgspec.DecodeError, orjson.JSONDecodeError):
        return (), (), False
    digest = blake2b("\n".join(call.wishes.recall).encode(), digest_size=16)
    found = []
    for place, value in enumerate(values):
        told = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        digest.update(b"%d:" % len(told) + told)
        if isinstance(value, dict) and value.get("role") == "user":
            found.append(_Message(place, digest.copy().hexdigest(), without(_text(value.get("content")))))
    return raws, found, bool(found) and found[-1].place == len(raws) - 1


def _text(content: Any) -> str:
    """What a message says; passages that it brings along are no part of the question."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict) and "hyperbridge" not in part)
    return "\n".join(text for text in texts if isinstance(text, str))


def _with_blocks(request: Request, raws: Sequence[bytes], blocks: Mapping[int, str]) -> Request:
    if not blocks:
        return request
    told = [_with_block(raw, blocks[place]) if place in blocks else raw for place, raw in enumerate(raws)]
    messages = b"[" + b",".join(told) + b"]"
    return replace(request, members=request.members.changed({"messages": messages}))


def _with_block(raw: bytes, block: str) -> bytes:
    """The message with a block behind its words; as it was where it names a member twice: its upstream will judge."""
    try:
        members = Members.of(raw)
    except BadRequest:
        return raw
    content = members.value("content")
    told: object = behind(content, block) if isinstance(content, str) else None
    if isinstance(content, list):
        told = [*content, {"type": "text", "text": block}]
    return raw if told is None else members.replaced({"content": orjson.dumps(told)})
