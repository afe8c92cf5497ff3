"""Which replica has read the beginning of a prompt before, and may have it in its KV cache still.

A prompt is cut into blocks; each block's hash holds all before it, and begins with what the cache itself is kept apart by: the
adapter's version and the tenant's salt. The servers' own blocks are of tokens; these are of bytes, since nobody counts tokens
here, and they grow with the depth, so that a prompt of a megabyte has some hundred of them and is known to 3 %.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

BLOCK_BYTES = 256
BLOCKS_A_SIZE = 32
"""So many blocks of one size, then blocks twice as large."""
BYTES_A_TOKEN = 4
MOST_TOKENS = 300_000
"""What a replica is taken to keep where it does not say how large its KV cache is."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A prompt's blocks: their chained hashes, and how many tokens each of them is, about; `tokens` is the whole prompt."""

    hashes: Sequence[int]
    sizes: Sequence[int]
    tokens: int


NO_BLOCKS = Blocks((), (), 1)


def cut(parts: Sequence[bytes], adapter: str, salt: str) -> Blocks:
    """The blocks of a prompt, of its parts in the order in which the model reads them.

    What is left behind the last whole block belongs to none. Hashes are Python's own, with a secret of this process: nobody can
    make two prompts meet, and a chance meeting costs a slower answer, never a wrong one.
    """
    chained = hash((adapter, salt))
    hashes: list[int] = []
    sizes: list[int] = []
    whole = b"".join(parts) if len(parts) != 1 else parts[0]
    for start, end in _cuts(len(whole)):
        chained = hash((chained, whole[start:end]))
        hashes.append(chained)
        sizes.append((end - start) // BYTES_A_TOKEN)
    return Blocks(hashes, sizes, max(1, len(whole) // BYTES_A_TOKEN))


def _cuts(length: int) -> Iterator[tuple[int, int]]:
    size, start, count = BLOCK_BYTES, 0, 0
    while start + size <= length:
        yield start, start + size
        start += size
        count += 1
        if count % BLOCKS_A_SIZE == 0:
            size *= 2


class Prefixes:
    """Blocks by the replicas that have them; each replica is a bit, so that one look finds all of them."""

    def __init__(self) -> None:
        self._holders: dict[int, int] = {}
        self._kept: dict[int, OrderedDict[int, int]] = {}
        self._tokens: dict[int, int] = {}
        self._most: dict[int, int] = {}

    def __len__(self) -> int:
        """How many blocks are known of all replicas together."""
        return len(self._holders)

    def bound(self, place: int, tokens: int) -> None:
        """The replica keeps so many tokens at most."""
        self._most[place] = tokens
        self._evict(place)

    def cached(self, blocks: Blocks) -> Mapping[int, int]:
        """How many tokens of the prompt's beginning each replica has, by its place; those that have none are not there."""
        found: dict[int, int] = {}
        holders, tokens = -1, 0
        for block, size in zip(blocks.hashes, blocks.sizes, strict=True):
            still = holders & self._holders.get(block, 0)
            if holders != still and tokens:
                _write(found, holders & ~still, tokens)
            if not still:
                return found
            holders = still
            tokens += size
        if tokens:
            _write(found, holders, tokens)
        return found

    def note(self, place: int, blocks: Blocks) -> None:
        """The replica reads this prompt: it has all of its blocks from here on, and forgets those it read longest ago.

        The last block is the first to be forgotten, as vLLM does it: a beginning is worth more than an end.
        """
        kept = self._kept.setdefault(place, OrderedDict())
        bit = 1 << place
        added = 0
        for block, size in zip(reversed(blocks.hashes), reversed(blocks.sizes), strict=True):
            if block in kept:
                kept.move_to_end(block)
            else:
                kept[block] = size
                added += size
                self._holders[block] = self._holders.get(block, 0) | bit
        self._tokens[place] = self._tokens.get(place, 0) + added
        self._evict(place)

    def forget(self, place: int) -> None:
        """The replica has begun anew, or is gone."""
        for block in self._kept.pop(place, ()):
            self._let_go(place, block)
        self._tokens.pop(place, None)

    def _evict(self, place: int) -> None:
        kept, most = self._kept.get(place), self._most.get(place, MOST_TOKENS)
        while kept and self._tokens[place] > most:
            block, size = kept.popitem(last=False)
            self._tokens[place] -= size
            self._let_go(place, block)

    def _let_go(self, place: int, block: int) -> None:
        left = self._holders[block] & ~(1 << place)
        if left:
            self._holders[block] = left
        else:
            del self._holders[block]


def _write(found: dict[int, int], places: int, tokens: int) -> None:
    while places:
        lowest = places & -places
        found[lowest.bit_length() - 1] = tokens
        places ^= lowest
