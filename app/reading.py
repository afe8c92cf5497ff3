"""What the gateway reads in an answer as it goes by: usage, finish, content, an error in a 200.

Each event is decoded into what is looked for and nothing else, at C speed: that costs less than searching the
bytes for names that matter, and finds out a malformed event as well (1 us for an event of 200 bytes).
"""

import io
from collections.abc import Sequence
from typing import Any

import msgspec

from app import sse
from app.operations import Dialect
from app.usage import Usage, WireUsage


class _Choice(msgspec.Struct, gc=False):
    index: int | None = None
    finish_reason: str | None = None
    delta: dict[str, Any] | None = None
    text: str | None = None


class _Inner(msgspec.Struct, gc=False):
    """The `response` of a Responses event, the `message` or the `delta` of a Messages event."""

    usage: WireUsage | None = None
    status: str | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    choices: list[_Choice] | None = None
    usage: WireUsage | None = None
    error: Any = None
    object: Any = None
    response: _Inner | None = None
    message: _Inner | str | None = None
    delta: _Inner | str | None = None


class _PlainChoice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Whole(msgspec.Struct, gc=False):
    choices: list[_PlainChoice] | None = None
    usage: WireUsage | None = None
    error: Any = None
    object: Any = None
    status: str | None = None
    stop_reason: str | None = None


class _Fault(msgspec.Struct, gc=False):
    """What says that an answer is an error, whatever shape its other members have."""

    error: Any = None
    object: Any = None


_event = msgspec.json.Decoder(_Event)
_whole = msgspec.json.Decoder(_Whole)
_fault = msgspec.json.Decoder(_Fault)
_json = msgspec.json.Decoder(msgspec.Raw)

_ERRORS = frozenset({"error", "response.failed"})
_ENDS = frozenset({"response.completed", "response.incomplete", "message_stop"}) | _ERRORS


MAX_KEPT_CHARACTERS = 256 * 1024
"""How much text of a stream is kept for the case that it breaks."""

_SPLICED = frozenset({"role", "content", "reasoning_content", "reasoning"})
"""What a delta may hold where a stream can be continued by another one."""


class Malformed(Exception):
    """The answer is not what its content type says; `before` are the whole events in front of the fault."""

    before = b""


class Said:
    """The text of a stream so far, for the case that it breaks; `plain` while nothing but text has come, and not too
    much of it.
    """

    __slots__ = ("_size", "_text", "pieces", "plain")

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._size = 0
        self.pieces = 0
        """In how many it came: the best estimate of its tokens."""
        self.plain = True

    @property
    def text(self) -> str:
        return self._text.getvalue()

    def keep(self, text: str) -> None:
        """This much more was said."""
        self.pieces += bool(text)
        self._size += len(text)
        if self._size <= MAX_KEPT_CHARACTERS:
            self._text.write(text)
        elif self.plain:
            self.plain = False
            self._text = io.StringIO()

    def add(self, choice: _Choice) -> None:
        """What a choice says, if that is text."""
        delta = choice.delta or {}
        text = choice.text or delta.get("content")
        if type(text) is str:
            self.keep(text)
        elif text:
            self.plain = False
        if len(delta) > 1 or text is None:
            self.plain = self.plain and not any(delta[name] for name in delta.keys() - _SPLICED)


def _has_content(delta: dict[str, Any] | None) -> bool:
    if not delta:
        return False
    return bool(delta.get("content")) or any(value for name, value in delta.items() if name != "role")


class Reading:
    """Grows while an answer is read.

    `started` says that content has come, `finished` that the answer said so itself, `failed` that it holds an
    error object, `ended` that nothing worth having follows. `content_events` counts events with content, the best
    estimate of output tokens where an upstream reports none. `said` is the text, where it is kept, and `told` what
    a stream's error says. `limits` are the header lines about rate limits in front of it all.
    """

    __slots__ = (
        "_choices", "_finishes", "content_events", "dialect", "ended", "failed", "finish", "finished", "limits", "said",
        "started", "told", "usage",
    )  # fmt: skip

    def __init__(self, dialect: Dialect, *, keeps_text: bool = False) -> None:
        self.dialect = dialect
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.content_events = 0
        self._choices = 1
        self._finishes = 0
        self.started = False
        self.finished = False
        self.failed = False
        self.ended = False
        self.told = b""
        self.limits: Sequence[tuple[bytes, bytes]] = ()
        self.said = Said() if keeps_text else None

    def whole(self, body: bytes) -> None:
        """Read a plain answer. Raises Malformed where it is not JSON."""
        try:
            found = _whole.decode(body)
        except msgspec.ValidationError:
            self._only_error(body)  # JSON, but not of a known shape: else passed on unread
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Malformed("not JSON") from None
        else:
            self._take_usage(found.usage)
            self._take_error(found.error, found.object)
            reasons = [choice.finish_reason for choice in found.choices or () if choice.finish_reason]
            self.finish = reasons[0] if reasons else found.stop_reason or found.status
        self.started = self.finished = self.ended = True

    def events(self, piece: bytes) -> bool:
        """Read whole events of a stream, up to an error; says whether any has data. Raises Malformed where that is
        not JSON.
        """
        if self.failed:
            return True
        position = 0
        heard = False
        for event in sse.split(piece):
            payload = sse.data(event)
            if payload:
                heard = True
                try:
                    self._event(payload)
                except Malformed as error:
                    error.before = piece[:position]
                    raise
                if self.failed:  # what is behind an error is not handed on
                    self.told = payload
                    break
            position += len(event)
        return heard

    def _event(self, payload: bytes) -> None:
        if payload == sse.DONE:
            self.finished = self.ended = True
            return
        try:
            found = _event.decode(payload)
        except msgspec.ValidationError:
            self._only_error(payload)
            self._take_unknown()
            return
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Malformed("an event is not JSON") from None
        if found.usage is not None:
            self._take_usage(found.usage)
        self._take_error(found.error, found.object)
        if self.dialect in {"responses", "messages"}:
            self._take_typed(found)
        elif not self.failed:
            self._take_choices(found.choices or [])

    def _take_unknown(self) -> None:
        """An event of a shape unknown here: whatever it is, it is for the client, and cannot be gone on with."""
        if not self.failed:
            self._content()
            if self.said is not None:
                self.said.plain = False

    def _take_choices(self, choices: list[_Choice]) -> None:
        for choice in choices:
            if choice.index and choice.index >= self._choices:
                self._choices = choice.index + 1
            if choice.text or _has_content(choice.delta):
                self._content()
                if self.said is not None:
                    self.said.add(choice)
            if choice.finish_reason:
                self.finish = choice.finish_reason
                self.started = True
                self._finishes += 1
                self.finished = self._finishes >= self._choices

    def _take_typed(self, found: _Event) -> None:
        """Events of the Responses and Messages interfaces, which say their type."""
        for inner in (found.response, found.message, found.delta):
            if isinstance(inner, _Inner):
                self._take_usage(inner.usage)
                self.finish = inner.stop_reason or inner.status or self.finish
        kind = found.type or ""
        if kind.endswith((".delta", "_delta")):
            self._content()
        if kind in _ENDS:
            self.started = self.finished = self.ended = True
            self.failed = self.failed or kind in _ERRORS

    def _content(self) -> None:
        self.content_events += 1
        self.started = True

    def _take_usage(self, usage: WireUsage | None) -> None:
        if usage is not None:
            self.usage = usage.over(self.usage or Usage())

    def _take_error(self, error: object, kind: object) -> None:
        if error or kind == "error":  # the second is how some servers write it, unwrapped
            self.failed = self.ended = True

    def _only_error(self, payload: bytes) -> None:
        """Look for an error in JSON of an unknown shape. Raises Malformed where it is not JSON."""
        self._only_json(payload)
        try:
            found = _fault.decode(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return
        self._take_error(found.error, found.object)

    @staticmethod
    def _only_json(payload: bytes) -> None:
        try:
            _json.decode(payload)
        except (msgspec.DecodeError, RecursionError):
            raise Malformed("not JSON") from None
