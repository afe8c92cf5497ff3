"""An answer to an encoded prompt: what was saved is told where it says its usage."""

import msgspec

from app import sse
from app.codecs.undoing import Undoing
from app.codecs.undone import Undone
from app.contracts import Answer, Saving
from app.operations import Dialect
from app.passing import Passing
from app.usage import Usage

_LAST: dict[Dialect, tuple[bytes, ...]] = {
    "responses": (b'"response.completed"',),
    "messages": (b'"message_delta"',),
}
"""What the event with a stream's whole usage has; OpenAI's chunks with it have no choices, or the end of one."""
_LAST_CHUNKS = (b'"choices":[]', b'"finish_reason":"')


class Accounting:
    """What becomes of the answer to an encoded prompt, which may have codes where `undoing` is there."""

    def __init__(self, saving: Saving, dialect: Dialect, undoing: Undoing | None = None) -> None:
        self._saving = saving
        self._dialect = dialect
        self._undoing = undoing

    def decode(self, answer: Answer) -> Answer:
        plain = answer if self._undoing is None else Undone(answer, self._undoing)
        return Accounted(plain, self._saving, self._dialect)


class Accounted(Passing):
    """An answer with the member `hyperbridge.scenes` beside its usage, which stays as it was."""

    def __init__(self, answer: Answer, saving: Saving, dialect: Dialect) -> None:
        super().__init__(answer)
        self._saving = saving
        self._marks = _LAST.get(dialect, _LAST_CHUNKS)

    async def read(self) -> bytes:
        piece = await self._answer.read()
        if not self.streams:
            return self._told(piece) if piece else piece
        if b'"usage"' not in piece or not self._is_last(piece):
            return piece
        return b"".join(map(self._event, sse.split(piece)))

    def _event(self, event: bytes) -> bytes:
        payload = sse.data(event)
        return event.replace(payload, self._told(payload), 1) if self._is_last(payload) else event

    def _is_last(self, events: bytes) -> bool:
        """Whether the whole usage is in there, as an object."""
        packed = events.translate(None, b" ")
        return b'"usage":{' in packed and any(mark in packed for mark in self._marks)

    def _told(self, body: bytes) -> bytes:
        """The object with one more member at its end."""
        packed = body.strip()
        if not (packed.startswith(b"{") and packed.endswith(b"}")) or b'"hyperbridge"' in body:
            return body
        member = msgspec.json.encode({"scenes": said(self._saving, self.reading.usage)})
        before = packed[:-1].rstrip()
        comma = b"" if before == b"{" else b","
        return b"".join((before, comma, b'"hyperbridge":', member, b"}"))


def said(saving: Saving, usage: Usage | None) -> dict[str, object]:
    """What a client is told: where there is usage, the prompt's tokens as the upstream counted them and before, too."""
    return {
        "layer": saving.layer,
        "forms": saving.forms,
        **({} if usage is None else _counted(saving, usage)),
        "saved_tokens": saving.tokens,
        **({"legend_tokens": saving.legend_tokens, "epoch": saving.epoch} if saving.epoch else {}),
        "encode_ms": round(saving.seconds * 1000, 3),
        **({"refused": saving.why} if saving.why else {}),
    }


def _counted(saving: Saving, usage: Usage) -> dict[str, object]:
    return {
        "tokens_before": usage.input_tokens + saving.tokens,
        "tokens_after": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
    }
