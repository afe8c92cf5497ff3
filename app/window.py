"""Sums over the last seconds."""

BUCKETS = 10
"""The window slides by tenths of its length, so that it takes the same few numbers under any load."""


class Window:
    """So many sums beside each other, counted in buckets; those that are over are emptied as time goes on."""

    def __init__(self, seconds: float, sums: int) -> None:
        self._width = seconds / BUCKETS
        self._counts = [[0] * BUCKETS for _ in range(sums)]
        self._at = 0

    def add(self, now: float, *amounts: int) -> None:
        """To each of the sums."""
        at = self._move(now)
        for counts, amount in zip(self._counts, amounts, strict=True):
            counts[at] += amount

    def sums(self, now: float) -> list[int]:
        self._move(now)
        return [sum(counts) for counts in self._counts]

    def _move(self, now: float) -> int:
        """The place of this moment's bucket."""
        at = int(now // self._width)
        if at != self._at:
            for passed in range(max(self._at + 1, at - BUCKETS + 1), at + 1):
                for counts in self._counts:
                    counts[passed % BUCKETS] = 0
            self._at = at
        return at % BUCKETS
