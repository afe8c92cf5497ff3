"""An answer whose codes are undone."""

from app.codecs.undoing import Undoing
from app.contracts import Answer
from app.errors import UpstreamFailure
from app.passing import Passing
from app.reading import Reading


class Undone(Passing):
    """An answer with the phrases of its codes."""

    def __init__(self, answer: Answer, undoing: Undoing) -> None:
        super().__init__(answer)
        self._undoing = undoing
        self._failure: UpstreamFailure | None = None
        keeps_text = answer.streams and answer.reading.said is not None
        self._plain = Reading(answer.reading.dialect, keeps_text=True) if keeps_text else None

    async def read(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            while piece := await self._answer.read():
                plain = self._undoing.events(piece) if self.streams else self._undoing.body(piece)
                if plain:
                    return self._noted(plain)
        except UpstreamFailure as failure:  # what was held back was said before it
            self._failure = failure
            if certain := self._noted(self._undoing.cut()):
                return certain
            raise
        return self._undoing.rest()

    def _noted(self, plain: bytes) -> bytes:
        """Remembered, so that what goes on where the answer breaks begins behind what the client read, not behind codes."""
        if self._plain is not None:
            self._plain.events(plain)
            if self._failure is not None or self.reading.failed:
                self.reading.said = self._plain.said
        return plain
