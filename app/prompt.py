"""A request's prompt as far as it is looked at: how long it is, what was said first and last, how many images it has. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.nodes import MOST_DEPTH, SHORT_BYTES, Numbers, Text, node, opened, size_bytes, word
from app.wire import Members

BYTES_A_TOKEN = 4
"""OpenAI's rule of thumb for English; other languages have fewer bytes a token, code has about as many."""
IMAGE_TOKENS = 1000
"""Of an image, whose size is not looked at. OpenAI counts 85 and 170 for each tile of 512 pixels, so 765 for 1024 x 1024 and
1,105 for twice as wide; Qwen-VL counts one for each 28 x 28 pixels, so 1,337 for 1024 x 1024.
"""

_SAID = ("messages", "input", "prompt", "query")
_OTHERS = ("suffix", "system", "instructions", "documents")
_TOOLS = ("tools", "functions")
"""Upstreams write these into the prompt much as they are."""
_TEXTS = frozenset((
    *("content", "text", "refusal"),
    *("tool_calls", "function_call", "function", "arguments", "output"),
    *("reasoning_content", "reasoning", "thinking", "summary"),
))
"""Where a message, or a part of one, has its texts."""
_IMAGES = ("image_url", "input_image", "image")
_END_BYTES = SHORT_BYTES // 2
_MOST_OPENING = 20
"""Messages before the user's first one that a conversation is known by."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """`tokens` is an estimate, `turns` are the messages of the user, `text` is what the last one says.

    `opening` are the messages up to the user's first one, each with its role. Of texts that are longer than
    `nodes.SHORT_BYTES` these hold the beginning and the end.
    """

    tokens: int = 0
    images: int = 0
    turns: int = 0
    text: str = ""
    opening: Sequence[tuple[str, str]] = field(default_factory=tuple)


def prompt(members: Members) -> Prompt:
    """The prompt of any operation. `Members.once` keeps it."""
    sum_ = _Sum()
    said: list[tuple[str, Any]] = []
    for name in _SAID:
        if name in members.spans:
            value = node(members, name)
            sum_.add(value, 0)
            said += _said(value)
    for name in _OTHERS:
        if name in members.spans:
            sum_.add(node(members, name), 0)
    for name in _TOOLS:
        start, end = members.spans.get(name, (0, 0))
        sum_.add_bytes(end - start)
    users = [content for role, content in said if role == "user"]
    return Prompt(
        tokens=sum_.tokens,
        images=sum_.images,
        turns=len(users),
        text=_text(users[-1]) if users else "",
        opening=[*_opening(said)],
    )


class _Sum:
    """Adds up a prompt: the bytes of its texts in UTF-8, a number for a token, and the images."""

    def __init__(self) -> None:
        self._size_bytes = 0
        self._texts: list[Text] = []
        self.images = 0

    @property
    def tokens(self) -> int:
        texts_bytes = self._size_bytes + size_bytes(self._texts)
        return -(-texts_bytes // BYTES_A_TOKEN) + self.images * IMAGE_TOKENS

    def add_bytes(self, size: int) -> None:
        self._size_bytes += size

    def add(self, value: Any, depth: int) -> None:
        """What is opened; `depth` is how many were opened around what is in it."""
        pending = [(value, depth)]
        while pending:
            value, depth = pending.pop()
            if isinstance(value, Text):
                self._texts.append(value)
            elif isinstance(value, list):
                pending += [(each, depth + 1) for each in value]  # none of them is still to be opened
            elif isinstance(value, dict):
                pending += self._inner(value, depth + 1)
            else:
                self._size_bytes += _size_bytes(value)

    def _inner(self, value: dict[str, Any], depth: int) -> Iterator[tuple[Any, int]]:
        """What is opened stays so, since it is read again."""
        if word(value.get("type")) in _IMAGES:
            self.images += 1
        for name, inner in value.items():
            if name in _TEXTS:
                value[name] = found = opened(inner, depth)
                yield found, depth
            elif name == "input":
                for each in _everything(opened(inner, MOST_DEPTH)):
                    yield each, depth


def _size_bytes(value: Any) -> int:
    """In UTF-8; a number stands for a token."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, Numbers):
        return BYTES_A_TOKEN * value.count
    return BYTES_A_TOKEN if isinstance(value, int) else 0


def _everything(value: Any) -> Iterator[Any]:
    """What a tool was called with, whose names are its own."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
        else:
            yield value


def _said(value: Any) -> Iterator[tuple[str, Any]]:
    """Role and content of each message, in any of the dialects; a bare text is the user's."""
    if isinstance(value, str | Text):
        yield "user", value
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield "user", item
            elif isinstance(item, dict) and (role := word(item.get("role"))):
                yield role, item.get("content")


def _opening(said: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for role, content in said[:_MOST_OPENING]:
        yield role, _text(content)
        if role == "user":
            break


def _text(content: Any) -> str:
    """The texts of a message, one below the other; of long ones how they begin and end."""
    texts = [*_texts(content)]
    found = [each for each in texts if isinstance(each, Text)]
    if not found:  # it was decoded, since all of it is short
        return "\n".join(texts)
    if sum(len(each.raw) for each in found) <= SHORT_BYTES:
        return "\n".join(each.head(SHORT_BYTES) for each in found)
    heads = [each.head(left) for each, left in _within(found)]
    tails = [each.tail(left) for each, left in _within(found[::-1])]
    return "\n".join([*heads, *tails[::-1]])


def _texts(content: Any) -> Iterator[Any]:
    """Those of the parts of a message."""
    if isinstance(content, str | Text):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and isinstance(text := part.get("text"), str | Text):
                yield text


def _within(texts: Sequence[Text]) -> Iterator[tuple[Text, int]]:
    """The first ones that have so many bytes together, each with how many it may have."""
    left = _END_BYTES
    for text in texts:
        if left <= 0:
            return
        yield text, left
        left -= len(text.raw)
