"""Texts that shall be tokens, and the book of those that are. Pure.

A file of texts has one JSON object a line: {"phrase": "...", "delta": "Δ14", "hyperlexeme": "...", "register": "logic"}, of
which `phrase` alone must be there.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

import msgspec

from scenes.hypertokens import OPENING
from scenes.scene import DELTA, Register
from training.wrong import Wrong


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A text that shall be one token. `delta` is its number for people, which names the token, too."""

    phrase: str
    delta: str = ""
    hyperlexeme: str = ""
    register: Register | None = None

    @property
    def surface(self) -> str:
        """`<|Δ14|>`, which is no part of another one."""
        return f"{OPENING}{self.delta.removeprefix(DELTA)}|>"


_text = msgspec.json.Decoder(Text)


def read(lines: Iterable[bytes]) -> Sequence[Text]:
    """The texts of a file, each with a number: its own, or the next that none has. Raises Wrong."""
    texts = list(_parsed(lines))
    if not texts:
        raise Wrong('no texts: a line is {"phrase": "..."}')
    taken = {text.delta for text in texts if text.delta}
    free = (delta for delta in (f"{DELTA}{number}" for number in count(1)) if delta not in taken)
    return [text if text.delta else msgspec.structs.replace(text, delta=next(free)) for text in texts]


def _parsed(lines: Iterable[bytes]) -> Iterator[Text]:
    phrases: dict[str, int] = {}
    deltas: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            text = _text.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise Wrong(f"line {number}: {fault}") from None
        _once(phrases, text.phrase, number, "phrase")
        if text.delta:
            digits = text.delta.removeprefix(DELTA)
            if not (text.delta.startswith(DELTA) and digits.isdecimal() and len(digits) <= 6):
                raise Wrong(f"line {number}: delta must be {DELTA} and up to six digits, not {text.delta!r}")
            _once(deltas, text.delta, number, "delta")
        yield text


def _once(seen: dict[str, int], value: str, number: int, name: str) -> None:
    if value in seen:
        raise Wrong(f"line {number}: line {seen[value]} has the same {name}")
    seen[value] = number
