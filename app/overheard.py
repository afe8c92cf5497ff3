"""An answer of which a copy is kept."""

from app.contracts import Answer
from app.passing import Passing

MOST_BYTES = 1024 * 1024
"""Of an answer that is compared; a longer one is not."""


class Overheard(Passing):
    """Keeps the pieces as they go by, which costs its reader next to nothing."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._pieces: list[bytes] = []
        self._size = 0

    async def read(self) -> bytes:
        piece = await self._answer.read()
        self._size += len(piece)
        if self._size <= MOST_BYTES:
            self._pieces.append(piece)
        else:
            self._pieces.clear()
        return piece

    @property
    def body(self) -> bytes | None:
        """All of it, None where that is too much."""
        return b"".join(self._pieces) if self._size <= MOST_BYTES else None
