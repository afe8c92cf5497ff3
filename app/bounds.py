"""How large a request may be in itself: nested how deep, with how many messages, with how long a prompt. Pure.

Each check first asks what is quick to know and settles almost every request: a text nested deeper than 256 has more
than 256 brackets, an array of 10000 items has at least 20000 bytes, a prompt has no more bytes than its body.
"""

from array import array
from collections.abc import Mapping
from itertools import accumulate

import msgspec

from app.contracts import Call
from app.errors import BadRequest, PromptTooLong
from app.estimate import BYTES_A_TOKEN, input_tokens
from app.operations import Dialect
from app.wire import Members

_MESSAGES: Mapping[Dialect, str] = {"chat": "messages", "messages": "messages", "responses": "input"}
"""Where the messages of an operation stand."""

_SPLIT_BYTES = 2**20
"""A longer text is not cut into its items: each of them takes a hundred bytes of memory while it is looked at."""

_SPARSE_BYTES = 64
"""Where there are more brackets than one in so many bytes, a scan of all of them is quicker than cutting."""

_SHORT_BYTES = 2**14

_items = msgspec.json.Decoder(list[msgspec.Raw])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_OTHERS = bytes(byte for byte in range(256) if byte not in b'[]{}"')


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

    def check(self, call: Call) -> None:
        """Raises BadRequest or PromptTooLong, which name the bound and what was found."""
        members = call.request.members
        if _is_deeper(members, self._depth):
            raise BadRequest(
                f"The body is nested {depth(members.body)} deep; at most {self._depth} are allowed (server.max_depth)."
            )
        self._check_messages(members, _MESSAGES.get(call.operation.dialect, ""))
        bound, setting = self._prompt_tokens, "server.max_prompt_tokens"
        own = self._of_models.get(call.request.model)
        if own is not None and (bound is None or own < bound):
            bound, setting = own, f"models.{call.request.model}.max_prompt_tokens"
        if (
            bound is not None
            and len(members.body) > bound * BYTES_A_TOKEN
            and (found := input_tokens(call)) > bound
        ):
            raise PromptTooLong(
                f"The prompt has about {found} tokens; at most {bound} are allowed ({setting}). Make it shorter."
            )

    def _check_messages(self, members: Members, name: str) -> None:
        span = members.spans.get(name)
        if span is None or span[1] - span[0] < 2 * self._messages or members.body[span[0]] != ord("["):
            return
        found = len(_items.decode(memoryview(members.body)[span[0] : span[1]]))
        if found > self._messages:
            raise BadRequest(
                f"{name!r} has {found} items; at most {self._messages} are allowed (server.max_messages).",
                param=name,
            )


def depth(text: bytes) -> int:
    """How deep objects and arrays are nested in this JSON text: 0 for a string, 1 for `[]`."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # With all but brackets and quotes gone, two quotes side by side stand for nothing: an empty string, or the end of
    # one and the begin of the next.
    marks = text.translate(_STEPS, _OTHERS).replace(b'""', b"")
    outside = b"".join(marks.split(b'"')[::2]) if b'"' in marks else marks
    return max(accumulate(array("b", outside)), default=0)


def _is_deeper(members: Members, most: int) -> bool:
    body = members.body
    if _has_few(body, most):
        return False
    if _is_dense(body):
        return depth(body) > most
    spans = members.spans.values()
    return any(_is_text_deeper(body[start:end], most - 1) for start, end in spans)


def _is_text_deeper(text: bytes, most: int) -> bool:
    """Whether this JSON text is nested deeper than so many.

    Long strings are passed over quickest by cutting the text into its items (about 1 ns a byte, a scan takes 5).
    """
    if text[0] not in b"[{" or (most and _has_few(text, most)):
        return False
    if not most:
        return True
    if _is_dense(text):
        return depth(text) > most
    if text[0] == ord("["):
        return any(_is_text_deeper(bytes(item), most - 1) for item in _items.decode(text))
    values = _members.decode(text)
    told = sum(len(name) + 4 for name in values) + sum(len(memoryview(value)) for value in values.values())
    if len(text) - told >= 2 * most:  # of two members with one name, the decoder shows the last
        return depth(text) > most
    return any(_is_text_deeper(bytes(value), most - 1) for value in values.values())


def _is_dense(text: bytes) -> bool:
    """Whether a scan is quicker than cutting, or cutting would take too much memory."""
    return len(text) > _SPLIT_BYTES or len(text) < _SPARSE_BYTES * _brackets(text)


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
