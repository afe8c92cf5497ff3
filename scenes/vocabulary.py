"""Vocabularies of model families, as their files say them: byte pieces with ranks, and the pattern that cuts before.

Four formats: `*.tiktoken` and `tokenizer.model` (a piece and its rank a line), `tekken*.json`, and `tokenizer.json`,
where it is a byte-level BPE. A piece's rank is its place in the order of merges, which is what tiktoken needs.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

_CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN = _CL100K.replace(r"\p{N}{1,3}", r"\p{N}")
_O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

_DEEPSEEK_WORDS = (
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
)
_DEEPSEEK_SPLITS = (
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    _DEEPSEEK_WORDS,
)
_EAST = r"\x{4E00}-\x{9FA5}\x{3040}-\x{30FF}"
_DEEPSEEK = (
    rf"\p{{N}}{{1,3}}|[{_EAST}]+"
    rf"|[!-/:-@\[-`{{-~][A-Za-z]+|[^\r\n\p{{L}}\p{{P}}\p{{S}}{_EAST}]?[\p{{L}}\p{{M}}&&[^{_EAST}]]+"
    rf"| ?[\p{{P}}\p{{S}}&&[^{_EAST}]]+[\r\n]*|\s*[\r\n]+|\s+(?![^\s\p{{N}}{_EAST}])|\s+"
    rf"|[^\s\p{{L}}\p{{M}}\p{{N}}\p{{P}}\p{{S}}]+(?![\p{{L}}\p{{M}}])|(?s:.)"
)
"""DeepSeek's three splits, one after the other, as one pattern: what the first two take ends a run for the third."""

_LINES: Mapping[str, tuple[str, int]] = {
    "qwen": (_QWEN, 151_643),
    "cl100k": (_CL100K, 100_256),
    "o200k": (_O200K, 199_998),
    "llama": (_CL100K, 128_000),
}
"""The pattern and the number of pieces of the families whose file says neither."""


_File = TypeVar("_File", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One family's pieces: `ranks` by their bytes, `pattern` in the syntax of Rust's fancy-regex.

    `composed` where the family brings text into Unicode's form C before it cuts.
    """

    family: str
    pattern: str
    ranks: Mapping[bytes, int]
    composed: bool = False


def read(family: str, file_name: str, data: bytes) -> Vocabulary:
    """A vocabulary from a file's bytes; ValueError says what in it is wrong, without the file's name."""
    if file_name.startswith("tekken") and file_name.endswith(".json"):
        return _tekken(family, data)
    if file_name.endswith(".json"):
        return _tokenizer_json(family, data)
    return _lines(family, data)


def is_vocabulary(file_name: str) -> bool:
    """Whether a file of this name is of a format that `read` knows."""
    return (
        file_name.endswith(".tiktoken")
        or file_name in {"tokenizer.model", "tokenizer.json"}
        or (file_name.startswith("tekken") and file_name.endswith(".json"))
    )


def _lines(family: str, data: bytes) -> Vocabulary:
    if family not in _LINES:
        raise ValueError(
            f"a file of pieces and ranks says no pattern, and none is known for {family!r}: "
            f"use its tokenizer.json, or one of the families {', '.join(_LINES)}"
        )
    pattern, size = _LINES[family]
    ranks = dict(map(_line, enumerate(data.splitlines(), start=1)))
    if len(ranks) != size:
        raise ValueError(f"{len(ranks)} pieces, where {family} has {size}: truncated, or of another family")
    return Vocabulary(family, pattern, _checked(ranks), composed=family == "qwen")


def _line(numbered: tuple[int, bytes]) -> tuple[bytes, int]:
    number, line = numbered
    try:
        piece, rank = line.split()
        return b64decode(piece, validate=True), int(rank)
    except (ValueError, NotBase64) as failure:
        raise ValueError(f"line {number} is not a piece in base64 and its rank") from failure


class _Piece(msgspec.Struct):
    rank: int
    token_bytes: str


class _TekkenConfig(msgspec.Struct):
    pattern: str
    default_vocab_size: int
    default_num_special_tokens: int


class _Tekken(msgspec.Struct):
    config: _TekkenConfig
    vocab: list[_Piece]


def _tekken(family: str, data: bytes) -> Vocabulary:
    file = _decoded(data, _Tekken)
    size = file.config.default_vocab_size - file.config.default_num_special_tokens
    if len(file.vocab) < size:
        raise ValueError(f"{len(file.vocab)} pieces, where its own head names {size}")
    ranks = {b64decode(piece.token_bytes): piece.rank for piece in file.vocab[:size]}
    return Vocabulary(family, file.config.pattern, _checked(ranks))


class _Added(msgspec.Struct):
    content: str


class _Model(msgspec.Struct):
    type: str
    vocab: dict[str, int]
    merges: list[str | tuple[str, str]]
    byte_fallback: bool = False


class _TokenizerJson(msgspec.Struct):
    model: _Model
    pre_tokenizer: dict[str, Any] | None = None
    normalizer: dict[str, Any] | None = None
    added_tokens: list[_Added] = []


def _tokenizer_json(family: str, data: bytes) -> Vocabulary:
    file = _decoded(data, _TokenizerJson)
    if file.model.type != "BPE" or file.model.byte_fallback:
        raise ValueError(f"its model is {file.model.type!r}, and only a byte-level BPE can be counted with")
    pattern = _pattern(_flat(file.pre_tokenizer, "pretokenizers"))
    added = {each.content for each in file.added_tokens}
    pieces = {piece: rank for piece, rank in file.model.vocab.items() if piece not in added}
    _in_order(file.model.merges, pieces)
    ranks = {_bytes(piece): rank for piece, rank in pieces.items()}
    return Vocabulary(family, pattern, _checked(ranks), composed=_composed(file.normalizer))


def _decoded(data: bytes, kind: type[_File]) -> _File:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as failure:
        raise ValueError(f"not a file of its format, or truncated: {failure}") from failure


def _in_order(merges: Sequence[str | tuple[str, str]], ranks: Mapping[str, int]) -> None:
    """ValueError where merges and ids are in different orders: by ids, other pieces would be merged first."""
    try:
        merged = [
            ranks["".join(each.split(" ")) if isinstance(each, str) else each[0] + each[1]] for each in merges
        ]
    except KeyError as failure:
        raise ValueError("a merge makes a piece that is not in its vocabulary") from failure
    if not merged or any(one > next_one for one, next_one in pairwise(merged)):
        raise ValueError("its merges are in another order than its ids")


def _flat(step: Mapping[str, Any] | None, inner: str) -> Iterator[Mapping[str, Any]]:
    """Steps without the sequences that hold them."""
    if step is None:
        return
    if step.get("type") != "Sequence":
        yield step
        return
    for each in step.get(inner, ()):
        yield from _flat(each, inner)


def _pattern(steps: Iterator[Mapping[str, Any]]) -> str:
    """The one pattern that cuts as these steps do; ValueError where there is none."""
    splits: list[str] = []
    for step in steps:
        split = _split(step)
        if split is None:
            raise ValueError(f"text is cut by {step.get('type')!r} in a way that is not known")
        splits += split
    if tuple(splits) == _DEEPSEEK_SPLITS:
        return _DEEPSEEK
    if len(splits) == 1:
        return splits[0]
    raise ValueError(f"text is cut in {len(splits)} steps that are not known as one pattern")


def _split(step: Mapping[str, Any]) -> list[str] | None:
    if step.get("type") == "ByteLevel" and not step.get("add_prefix_space"):
        return [_GPT2] if step.get("use_regex", True) else []
    how = (step.get("behavior"), step.get("invert", False))
    pattern = step.get("pattern", {})
    if step.get("type") == "Split" and "Regex" in pattern and how in {("Isolated", False), ("Removed", True)}:
        return [pattern["Regex"]]
    return None


def _composed(normalizer: Mapping[str, Any] | None) -> bool:
    kinds = [step.get("type") for step in _flat(normalizer, "normalizers")]
    if any(kind != "NFC" for kind in kinds):
        raise ValueError(f"text is brought into a form that is not known, by {', '.join(map(str, kinds))}")
    return bool(kinds)


def _letters() -> dict[int, int]:
    """GPT-2's alphabet: the byte that each visible character stands for."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in visible]
    return {letter: letter for letter in visible} | {0x100 + place: byte for place, byte in enumerate(hidden)}


_LETTERS = _letters()


def _bytes(piece: str) -> bytes:
    try:
        return piece.translate(_LETTERS).encode("latin-1")
    except UnicodeEncodeError as failure:
        raise ValueError("a piece of its vocabulary is not written in byte-level characters") from failure


def _checked(ranks: dict[bytes, int]) -> dict[bytes, int]:
    """The same, where every byte has a piece and every piece a rank of its own: the engine would stop the process."""
    if not all(bytes((byte,)) in ranks for byte in range(0x100)):
        raise ValueError("not every byte has a piece")
    if len(set(ranks.values())) != len(ranks) or min(ranks.values()) < 0 or max(ranks.values()) >= 1 << 31:
        raise ValueError("two pieces have one rank, or a rank is not a small whole number")
    return ranks
