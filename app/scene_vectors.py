"""What makes the vectors that scenes are kept and found by: a table of this machine's, or a model of the gateway's own."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.contracts import Call
from app.encoder import Encoder
from app.errors import Failure
from scenes.meaning import Meaning, unit

if TYPE_CHECKING:
    from scenes.meaning import Floats

AT_ONCE = 64
"""Texts that a model is asked about in one request."""
MOST_CHARACTERS = 2000
"""Of a text: encoders have short windows, and some refuse what is longer."""
_log = logging.getLogger("hyperbridge")


@dataclass(frozen=True, slots=True)
class Made:
    """A vector for each text, of length one, as float16, little-endian; None for a text that says nothing. `encoder` made them."""

    encoder: str
    vectors: Sequence[bytes | None]


class Vectors(Protocol):
    async def of(self, texts: Sequence[str], call: Call) -> Made | None:
        """The vectors of these texts, made for this call; None where none can be had now."""


@dataclass(frozen=True, slots=True)
class Local:
    """By a table of vectors of tokens, in a thread."""

    meaning: Meaning

    async def of(self, texts: Sequence[str], call: Call) -> Made | None:
        found = await asyncio.to_thread(self.meaning.vectors, texts)
        return Made(self.meaning.name, _halves(found))


@dataclass(frozen=True, slots=True)
class Asked:
    """By a model, `name` in the configuration. What fails there is told in the log, and fails no call."""

    name: str
    encoder: Encoder
    timeout_seconds: float

    async def of(self, texts: Sequence[str], call: Call) -> Made | None:
        vectors: list[bytes | None] = []
        try:
            for start in range(0, len(texts), AT_ONCE):
                part = [text[:MOST_CHARACTERS] or "-" for text in texts[start : start + AT_ONCE]]
                made = await self.encoder.vectors(part, call, self.timeout_seconds)
                vectors += _halves(unit(_array(made)))
        except Failure as failure:
            _log.warning(
                "scenes have no vectors now, since %s did not make them: %s", self.name, failure.kind
            )
            return None
        except ValueError as fault:
            _log.warning("scenes have no vectors now, since those of %s are none: %s", self.name, fault)
            return None
        return Made(self.name, vectors)


def _array(vectors: Sequence[Sequence[float]]) -> "Floats":
    import numpy as np  # noqa: PLC0415 - a gateway without an encoder does without it

    return np.asarray(vectors, np.float32)


def _halves(vectors: "Floats") -> Sequence[bytes | None]:
    return [each.astype("<f2").tobytes() if each.any() else None for each in vectors]
