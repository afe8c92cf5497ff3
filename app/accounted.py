"""An answer to an encoded prompt: with its codes undone, and what was saved told where it says its usage."""

import msgspec

from app import sse
from app.codecs.undoing import Undoing
from app.contracts import Answer, Saving
from app.errors import UpstreamFailure
from app.operations import Dialect
from app.passing import Passing
from app.usage import Usage

_LAST: dict[Dialect, bytes] = {"responses": b'"response.completed"', "messages": b'"message_delta"'}
"""What the event with a stream's whole usage is called; OpenAI's chunks with it have no choices."""
_NO_CHOICES = b'"choices":[]'


class Accounting:
    """What becomes of the answer to an encoded prompt, which may have codes where `undoing` is there."""

    def __init__(self, saving: Saving, dialect: Dialect, undoing: Undoing | None = None) -> None:
        self._saving = saving
        self._dialect = dialect
        self._undoing = undoing

    def decode(self, answer: Answer) -> Answer:
        plain = answer if self._undoing is None else Undone(answer, self._undoing)
        return Accounted(plain, self._saving, self._dialect)


class Undone(Passing):
    """An answer with the phrases of its codes."""

    def __init__(self, answer: Answer, undoing: Undoing) -> None:
        super().__init__(answer)
        self._undoing = undoing
        self._failure: UpstreamFailure | None = None

    async def read(self) -> bytes:
        while self._failure is None:
            try:
                piece = await self._answer.read()
            except UpstreamFailure as failure:  # what was held back was said before it
                self._failure = failure
                piece = b""
            if not piece:
                rest = self._undoing.rest()
                if rest or self._failure is None:
                    return rest
                break
            plain = self._undoing.events(piece) if self.streams else self._undoing.body(piece)
            if plain:
                return plain
        raise self._failure


class Accounted(Passing):
    """An answer with the member `hyperbridge.scenes` beside its usage, which stays as it was."""

    def __init__(self, answer: Answer, saving: Saving, dialect: Dialect) -> None:
        super().__init__(answer)
        self._saving = saving
        self._mark = _LAST.get(dialect, _NO_CHOICES)

    async def read(self) -> bytes:
        piece = await self._answer.read()
        if not self.streams:
            return self._told(piece) if piece else piece
        if b'"usage"' not in piece or self._mark not in piece.translate(None, b" "):
            return piece
        return b"".join(map(self._event, sse.split(piece)))

    def _event(self, event: bytes) -> bytes:
        payload = sse.data(event)
        if b'"usage"' not in payload or self._mark not in payload.translate(None, b" "):
            return event
        return event.replace(payload, self._told(payload), 1)

    def _told(self, body: bytes) -> bytes:
        """The object with one more member at its end."""
        end = body.rfind(b"}")
        if end < 0 or b'"hyperbridge"' in body:
            return body
        member = msgspec.json.encode({"scenes": said(self._saving, self.reading.usage)})
        return b"".join((body[:end].rstrip(b" \t\r\n"), b',"hyperbridge":', member, body[end:]))


def said(saving: Saving, usage: Usage | None) -> dict[str, object]:
    """What a client is told: the prompt's tokens as the upstream counted them, and as they were before."""
    after = 0 if usage is None else usage.input_tokens
    return {
        "layer": saving.layer,
        "forms": saving.forms,
        "tokens_before": after + saving.tokens,
        "tokens_after": after,
        "saved_tokens": saving.tokens,
        "cached_tokens": 0 if usage is None else usage.cached_tokens,
        **({"legend_tokens": saving.legend_tokens, "epoch": saving.epoch} if saving.epoch else {}),
        "encode_ms": round(saving.seconds * 1000, 3),
        **({"refused": saving.why} if saving.why else {}),
    }
