"""A tokenizer without a vocabulary: pieces of at most six bytes, whose ids hold the bytes themselves."""

import re
from collections.abc import Iterable, Sequence

_PIECE = re.compile(
    r" [A-Za-z0-9_]{1,5}|[A-Za-z0-9_]{1,6}"
    r"| ?[!-/:-@\[-^`{-~]{1,3}"
    r"| [\u0080-\u07ff]{1,2}|[\u0080-\u07ff]{1,3}"
    r"| ?[^\x00-\x7f]"  # of three bytes or four
    r"|[\x00-\x20\x7f]{1,6}"  # last, so that a space goes with the word after it
)
MAX_PIECE_BYTES = 6
"""Six bytes and the mark before them make an id below 2**53, the largest integer that JavaScript keeps."""
_BYTE_BITS = 8


def split(text: str) -> list[str]:
    """The text's pieces; joined they are the text again."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    return len(_PIECE.findall(text))


def ids(pieces: Iterable[str]) -> list[int]:
    """Each piece's id: a one, then its UTF-8 bytes."""
    return [int.from_bytes(b"\x01" + piece.encode()) for piece in pieces]


def known(token: int) -> bool:
    """Whether `ids` could have made this id."""
    bits = token.bit_length() - 1
    return token > 0 and bits % _BYTE_BITS == 0 and 0 < bits <= MAX_PIECE_BYTES * _BYTE_BITS


def text(tokens: Sequence[int]) -> str:
    """The text of known ids; a byte that is no UTF-8 becomes U+FFFD."""
    pieces = (token.to_bytes(MAX_PIECE_BYTES + 1).lstrip(b"\x00")[1:] for token in tokens)
    return b"".join(pieces).decode(errors="replace")
