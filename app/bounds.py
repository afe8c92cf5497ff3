"""How large a request may be in itself: nested how deep, with how many messages, with how long a prompt.

Each check first asks what is quick to know and settles almost every request: a text nested deeper than 256 has more
than 256 brackets, an array of more than 10000 items has as many commas, and a token takes two bytes at the least.
Where that does not settle it, the text is scanned in blocks, so that no body makes more than a block's objects, and
other calls go on between two of them: 33 MB of brackets take a second or two, a block takes 2 to 5 ms.
"""

import asyncio
from array import array
from collections.abc import Iterator, Mapping
from itertools import accumulate, compress
from operator import countOf

from app.contracts import Call
from app.errors import BadRequest, PromptTooLong
from app.estimate import input_tokens
from app.operations import Dialect
from app.prompt import BYTES_A_TOKEN, IMAGE_TOKENS
from app.wire import Members

_MESSAGES: Mapping[Dialect, str] = {"chat": "messages", "messages": "messages", "responses": "input"}
"""Where the messages of an operation stand."""

_LEAST_BYTES_A_TOKEN = BYTES_A_TOKEN // 2
"""A prompt in tokens has a digit and a comma for each."""

_SHORT_BYTES = 2**14
_BLOCK_BYTES = 2**16

_STEPS = bytes.maketrans(b"[{]},", b"\x01\x01\xff\xff\x00")
_BRACKETS = b'[]{}"'
_COMMAS = bytes.maketrans(b"\x00\x01\xff", b"\x01\x00\x00")


class Bounds:
    """The bounds of the configuration; those in tokens may be None, and a model may have its own beside the gateway's."""

    def __init__(
        self,
        depth: int,
        messages: int,
        prompt_tokens: int | None = None,
        of_models: Mapping[str, int] | None = None,
    ) -> None:
        self._depth = depth
        self._messages = messages
        self._prompt_tokens = prompt_tokens
        self._of_models = of_models or {}

    async def check(self, call: Call) -> None:
        """Raises BadRequest or PromptTooLong, which name the bound and what was found."""
        members = call.request.members
        await self._check_depth(members.body)
        await self._check_messages(members, _MESSAGES.get(call.operation.dialect, ""))
        bound, setting = self._prompt_tokens, "server.max_prompt_tokens"
        for name in (call.request.model, *call.wishes.models):
            own = self._of_models.get(name)
            if own is not None and (bound is None or own < bound):
                bound, setting = own, f"models.{name}.max_prompt_tokens"
        if bound is not None and _most_tokens(members.body) > bound and (found := input_tokens(call)) > bound:
            raise PromptTooLong(
                f"The prompt has about {found} tokens; at most {bound} are allowed ({setting}). Make it shorter."
            )

    async def _check_depth(self, body: bytes) -> None:
        if (
            not _has_few(body, self._depth)
            and (found := await _up_to(self._depth, depths(body))) > self._depth
        ):
            raise BadRequest(
                f"The body is nested at least {found} deep; at most {self._depth} are allowed (server.max_depth)."
            )

    async def _check_messages(self, members: Members, name: str) -> None:
        span = members.spans.get(name)
        if span is None or span[1] - span[0] < 2 * self._messages or members.body[span[0]] != ord("["):
            return
        text = members.body[span[0] : span[1]]
        if (
            text.count(b",") >= self._messages
            and (found := await _up_to(self._messages, _items(text))) > self._messages
        ):
            raise BadRequest(
                f"{name!r} has at least {found} items; at most {self._messages} are allowed (server.max_messages).",
                param=name,
            )


def _most_tokens(body: bytes) -> int:
    """Of a prompt in such a body: each image is an object."""
    return len(body) // _LEAST_BYTES_A_TOKEN + IMAGE_TOKENS * body.count(b"{")


async def _up_to(most: int, counts: Iterator[int]) -> int:
    """The last of these counts, or the first above the most."""
    found = 0
    for found in counts:
        if found > most:
            break
        await asyncio.sleep(0)
    return found


def depths(text: bytes) -> Iterator[int]:
    """How deep objects and arrays are nested in this JSON text, up to the end of each of its blocks: 0 for a string,
    1 for `[]`.
    """
    deepest = level = 0
    for steps in _steps(text, _BRACKETS):
        opened = steps.count(b"\x01")
        if level + opened > deepest:
            here = max(accumulate(array("b", steps), initial=level))
            deepest = max(deepest, here)
        level += 2 * opened - len(steps)
        yield deepest


def _items(text: bytes) -> Iterator[int]:
    """How many items this array has that is not empty, up to the end of each block."""
    level, items = 0, 1
    for marks in _steps(text, _BRACKETS + b","):
        steps = marks.replace(b"\x01\xff", b"")  # what holds no comma
        opened, closed = steps.count(b"\x01"), steps.count(b"\xff")
        if opened or closed:
            if level - closed <= 1:
                levels = accumulate(array("b", steps), initial=level)
                next(levels)
                items += countOf(compress(levels, steps.translate(_COMMAS)), 1)
        elif level == 1:
            items += len(steps)
        level += opened - closed
        yield items


def _steps(text: bytes, marks: bytes) -> Iterator[bytes]:
    """What these marks do to the depth, outside of strings: 1 and -1 (255) for brackets, 0 for a comma."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    others = bytes(byte for byte in range(256) if byte not in marks)
    inside = 0
    for start in range(0, len(text), _BLOCK_BYTES):
        # With all but the marks gone, two quotes side by side stand for nothing: an empty string, or the end of one
        # and the begin of the next.
        steps = text[start : start + _BLOCK_BYTES].translate(_STEPS, others).replace(b'""', b"")
        pieces = steps.split(b'"')
        yield b"".join(pieces[inside::2])
        inside ^= (len(pieces) - 1) & 1


def _has_few(text: bytes, most: int) -> bool:
    """Whether it has at most so many opening brackets, those in strings too."""
    if len(text) < _SHORT_BYTES:
        return _brackets(text) <= most
    left = most
    for bracket in (b"[", b"{"):  # `find` goes thirty times as fast as `count` from one to the next
        place = text.find(bracket)
        while place >= 0:
            left -= 1
            if left < 0:
                return False
            place = text.find(bracket, place + 1)
    return True


def _brackets(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")
