"""Finds texts that are there already, word for word or nearly.

Nearly is a Jaccard likeness of their runs of five words of at least 0.8. Candidates are found by MinHash in bands (Broder, 1997;
Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", 3.4), and each is then compared in full.
"""

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

RUN_WORDS = 5
LEAST_LIKENESS = 0.8
_BANDS = 16
_ROWS = 4
"""Two texts of the likeness s meet in a band with the probability 1 - (1 - s^4)^16: 0.9998 at 0.8, 0.64 at 0.5."""

Runs = frozenset[int]


class Repeats:
    """The texts so far."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._bands: list[dict[bytes, list[Runs]]] = [{} for _ in range(_BANDS)]
        random = np.random.default_rng(20)
        factors, offsets = random.integers(0, 2**64, (2, _BANDS * _ROWS, 1), dtype=np.uint64)
        self._factors, self._offsets = factors | np.uint64(1), offsets

    def seen(self, text: str) -> bool:
        """Whether this text was here before; it is known from now on."""
        words = text.casefold().split()
        name = blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if name in self._known:
            return True
        self._known.add(name)
        return len(words) >= RUN_WORDS and self._alike(_runs(words))

    def _alike(self, runs: Runs) -> bool:
        bands = self._sketch(runs)
        candidates = {
            id(other): other for band, key in bands.items() for other in self._bands[band].get(key, ())
        }
        if any(_likeness(runs, other) >= LEAST_LIKENESS for other in candidates.values()):
            return True
        for band, key in bands.items():
            self._bands[band].setdefault(key, []).append(runs)
        return False

    def _sketch(self, runs: Runs) -> Mapping[int, bytes]:
        values: npt.NDArray[np.uint64] = np.fromiter(runs, np.uint64, len(runs))
        least = (self._factors * values + self._offsets).min(
            axis=1
        )  # multiply-shift: modulo 2^64, the high bits count
        return {band: least[band * _ROWS : (band + 1) * _ROWS].tobytes() for band in range(_BANDS)}


def _runs(words: list[str]) -> Runs:
    joined = (" ".join(words[at : at + RUN_WORDS]) for at in range(len(words) - RUN_WORDS + 1))
    return frozenset(
        int.from_bytes(blake2b(run.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        for run in joined
    )


def _likeness(one: Runs, other: Runs) -> float:
    return len(one & other) / len(one | other)
