"""Where it is written down what a fleet shall have: the seam, and its form where nobody shares it."""

from typing import Protocol


class Shared(Protocol):
    """Documents by name, each with a revision: what a fleet shall have, and its leases. Both methods raise Unwritten where the
    place does not answer. `is_shared` says whether others may write there.
    """

    @property
    def is_shared(self) -> bool: ...

    async def read(self, fleet: str) -> tuple[int, bytes]:
        """Its revision, and the document; 0 and nothing where there is none yet."""

    async def write(self, fleet: str, revision: int, document: bytes) -> bool:
        """Write it down, if nobody has since this revision was read; whether it was."""


class Held:
    """In this process alone, and gone with it."""

    is_shared = False

    def __init__(self) -> None:
        self._documents: dict[str, tuple[int, bytes]] = {}

    async def read(self, fleet: str) -> tuple[int, bytes]:
        return self._documents.get(fleet, (0, b""))

    async def write(self, fleet: str, revision: int, document: bytes) -> bool:
        known, _ = await self.read(fleet)
        if known != revision:
            return False
        self._documents[fleet] = revision + 1, document
        return True
