"""What a text is about, as a vector: the mean of the vectors of its tokens. Pure.

Static vectors know no order of words and no context, but "the ship cannot leave" is near "no departure today" all the same,
where a search by words sees nothing in common. They cost some microseconds a sentence. The vocabulary is a SentencePiece BPE
with bytes to fall back to (Llama 2's), which is followed word by word; what it cuts otherwise here and there counts for little
in a mean.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from tiktoken import Encoding

    Floats: TypeAlias = npt.NDArray[np.float32]
    Table: TypeAlias = npt.NDArray[np.float16]

SPACE = "▁"
"""How a space is written in the vocabulary."""
MOST_CHARACTERS = 4000
"""Of a text: what stands behind them says nothing new of what it is about."""

_WORDS = r" ?\S+|\s"
_BYTE = "<0x{:02X}>"


class _Model(msgspec.Struct):
    vocab: dict[str, int]
    type: str = ""


class _File(msgspec.Struct):
    model: _Model


class Meaning:
    """Vectors of texts. `name` is of the table: vectors by another one say nothing beside these."""

    def __init__(self, name: str, rows: Sequence[int], encoding: "Encoding", table: "Table") -> None:
        """`rows` are those of the table, by the encoding's tokens."""
        import numpy as np  # noqa: PLC0415 - 0.1 s, which only who asks for vectors shall wait for

        self.name = name
        self._rows = np.asarray(rows)
        self._encoding = encoding
        self._table = table

    @classmethod
    def of(cls, name: str, tokenizer: bytes, table: "Table") -> "Meaning":
        """From a `tokenizer.json` and a table with a row for each of its tokens. Raises ValueError where they do not fit."""
        from tiktoken import Encoding  # noqa: PLC0415 - a gateway without vectors does without it

        try:
            vocabulary = msgspec.json.decode(tokenizer, type=_File).model.vocab
        except msgspec.DecodeError as failure:
            raise ValueError(f"tokenizer.json is not of its format, or truncated: {failure}") from None
        if table.ndim != 2 or len(table) <= max(vocabulary.values(), default=0):
            raise ValueError("the vectors are fewer than the tokens of tokenizer.json")
        rows = _ranked(vocabulary)
        ranks = {piece: rank for rank, piece in enumerate(rows)}
        encoding = Encoding(name, pat_str=_WORDS, mergeable_ranks=ranks, special_tokens={})
        return cls(name, list(rows.values()), encoding, table)

    @property
    def dimensions(self) -> int:
        return int(self._table.shape[1])

    def vectors(self, texts: Sequence[str]) -> "Floats":
        """A row of length one for each text; zeros for one without a token."""
        import numpy as np  # noqa: PLC0415

        found = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(found, texts, strict=True):
            tokens = self._encoding.encode_ordinary(f" {text[:MOST_CHARACTERS]}") if text.strip() else []
            if tokens:
                self._table[self._rows[tokens]].mean(axis=0, dtype=np.float32, out=row)
        return unit(found)


def unit(vectors: "Floats") -> "Floats":
    """The same rows with length one; zeros stay."""
    import numpy as np  # noqa: PLC0415

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    made: Floats = vectors / np.maximum(lengths, np.float32(1e-9))
    return made


def joined(one: "Floats | None", other: "Floats | None") -> "Floats | None":
    """The rows of both; those of one where the other has none."""
    if one is None or other is None:
        return other if one is None else one
    import numpy as np  # noqa: PLC0415

    return np.concatenate((one, other))


def _ranked(vocabulary: Mapping[str, int]) -> Mapping[bytes, int]:
    """The row of each piece, in the order in which pieces are merged: bytes, characters, and then by the order of their ids.

    Raises ValueError where a byte has no piece.
    """
    try:
        single = {bytes((byte,)): vocabulary[_BYTE.format(byte)] for byte in range(256)}
    except KeyError as missing:
        raise ValueError(
            f"tokenizer.json has no piece {missing}: its model has no bytes to fall back to"
        ) from None
    pieces = {
        piece.replace(SPACE, " ").encode(): row
        for piece, row in sorted(vocabulary.items(), key=lambda item: item[1])
        if not (piece.startswith("<") and piece.endswith(">"))
    }
    characters = {piece: row for piece, row in pieces.items() if len(piece.decode()) == 1}
    merged = {piece: row for piece, row in pieces.items() if piece not in characters}
    return {**single, **characters, **merged}
