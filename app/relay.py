"""The ASGI endpoint of a model call: reads the request, enters the exchange, sends the answer."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from time import perf_counter

from starlette.types import Receive, Scope, Send

from app.contracts import Answer, Call, Caller, Headers, Recalled, Saving
from app.errors import ClientLeft, Failure, Internal, Stopping, TooLarge, UpstreamBroken, WrongMediaType
from app.heartbeats import COMMENT, Heartbeats
from app.journal import Journal, Record
from app.keys import Callers
from app.operations import Dialect, Operation
from app.presence import Presence
from app.readiness import Readiness
from app.request_id import request_id
from app.setup import InForce, Setup
from app.users import UserHash, user_of
from app.wire import Request
from app.wishes import ADAPTER, SCENES, THINKING, heartbeat_seconds, priority, timeout_seconds, wishes

_log = logging.getLogger("hyperbridge")

FORWARDED = (
    b"traceparent",
    b"tracestate",
    b"baggage",
    b"anthropic-version",
    b"anthropic-beta",
    b"openai-beta",
)
"""Client headers that go upstream; everything else, above all Authorization, stays here."""

TELLING_SECONDS = 0.2
"""How long a stopping gateway waits for a client that is told so."""

_LISTS = frozenset({b"tracestate", b"baggage", b"anthropic-beta", b"openai-beta"})
"""Client headers whose values are lists."""

_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")
"""What a header value may not hold; a model's name may come from the client."""

_ID_NAMES: Mapping[Dialect, tuple[bytes, ...]] = {"messages": (b"x-request-id", b"request-id")}
"""Anthropic's clients look for a name of their own."""

_EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
_EVENT_STREAM = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


class Relay:
    """Answers one operation. Holds nothing between calls."""

    def __init__(
        self, in_force: InForce, keys: Callers, journal: Journal, readiness: Readiness, user_hash: UserHash
    ) -> None:
        self._in_force = in_force
        self._keys = keys
        self._journal = journal
        self._readiness = readiness
        self._user_hash = user_hash

    async def serve(self, operation: Operation, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        headers = _joined(scope["headers"])
        identity = request_id(headers)
        record = Record(identity.decode(), operation, perf_counter())
        reply = _Reply(send, record, identity)
        with self._journal.writing(record):
            try:
                caller = record.caller = self._keys.identify(headers)
                body = await _body(headers, receive, self._in_force.setup.max_body_bytes)
                self._readiness.admit()  # before its request is read, a client would see a reset
                with self._in_force.term as setup:
                    async with Presence(scope, receive) as presence:
                        call = self._call(body, headers, caller, record, setup)
                        await setup.bounds.check(call)
                        beats = Heartbeats(reply.beat, _beat_seconds(call, headers, setup))
                        answering = setup.exchange.answer(call, record)
                        await self._relay(answering, record, reply, presence, beats)
            except Failure as failure:
                record.failure = failure.alone()
                await reply.fail(record.failure)
            except asyncio.CancelledError:  # the server waits no longer; this is its task's last act
                record.failure = Stopping()
                with contextlib.suppress(TimeoutError):  # where the client does not read, nothing can be told
                    async with asyncio.timeout(TELLING_SECONDS):
                        await reply.fail(record.failure)
            except Exception as error:  # noqa: BLE001 - the last resort: a defect of ours is a 500
                _log.exception("unexpected failure in %s", operation.name)
                record.failure = Internal("The gateway failed.", detail=repr(type(error)))
                await reply.fail(record.failure)

    async def _relay(
        self,
        answering: AbstractAsyncContextManager[Answer],
        record: Record,
        reply: "_Reply",
        presence: Presence,
        beats: Heartbeats,
    ) -> None:
        async with beats, answering as answer:
            piece = await answer.read()
            await beats.end()
            await reply.start(answer)
            if not answer.streams:
                presence.end()
                await reply.end(piece, length=True)
                record.sent = perf_counter()
                return
            while piece:
                await reply.send(piece)
                record.sent = record.sent or perf_counter()
                if answer.reading.ended:
                    presence.end()
                piece = await answer.read()
            presence.end()
            await reply.end(b"")

    def _call(
        self, body: bytes, headers: Mapping[bytes, bytes], caller: Caller, record: Record, setup: Setup
    ) -> Call:
        record.bytes_in = len(body)
        record.arrived = perf_counter()
        request = Request.parse(body, record.operation)
        record.streams = request.stream
        record.prompt_hash = setup.prompt_hash.of(request)
        forwarded = [(name, headers[name]) for name in FORWARDED if name in headers]
        forwarded.append((b"x-request-id", record.id.encode()))
        call = Call(
            id=record.id,
            operation=record.operation,
            request=request.for_upstreams(),
            caller=caller,
            headers=forwarded,
            started=asyncio.get_running_loop().time(),
            timeout_seconds=timeout_seconds(headers),
            priority=priority(headers, caller.priority),
            user=user_of(request, caller),
            wishes=wishes(headers, request),
        )
        record.user = self._user_hash.of(call.user)
        return call


class _Reply:
    """What goes out: once begun, a failure can only be told as an event."""

    def __init__(self, send: Send, record: Record, identity: bytes) -> None:
        self._send = send
        self._record = record
        self._dialect = record.operation.dialect
        self._identity = [(name, identity) for name in _ID_NAMES.get(self._dialect, (b"x-request-id",))]
        self._begun = False
        self._headers: list[tuple[bytes, bytes]] = []

    async def beat(self) -> None:
        """A sign of life before the first content. The status is told with the first one, whatever comes."""
        if not self._begun:
            self._headers = [_EVENTS, *self._identity, *_EVENT_STREAM]
        await self.send(COMMENT)

    async def start(self, answer: Answer) -> None:
        """Prepare the head; it goes out with the first bytes."""
        if self._begun and not answer.streams:
            raise UpstreamBroken("The upstream's answer is not a stream.", detail="after a heartbeat")
        record = self._record
        assert record.route is not None
        self._headers = [
            *answer.headers,
            *self._identity,
            (b"x-hyperbridge-upstream", record.route.upstream.encode()),
            (b"x-hyperbridge-model", _UNPRINTABLE.sub(b"?", record.route.model.encode())),
            self._attempts(),
            *self._chosen(),
            *record.told,
        ]
        if record.thinking:
            self._headers.append((THINKING, record.thinking.encode()))
        if record.placed is not None and record.placed.adapter:
            self._headers.append((ADAPTER, record.placed.adapter.encode()))
        if record.saving is not None:
            self._headers.append((SCENES, _told(record.saving)))
        if answer.streams:
            self._headers += _EVENT_STREAM

    async def send(self, piece: bytes) -> None:
        if not self._begun:
            await self._head(200)
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self, piece: bytes, *, length: bool = False) -> None:
        """The last bytes; with their length, where they are the only ones."""
        if not self._begun:
            if length:
                self._headers.append((b"content-length", b"%d" % len(piece)))
            await self._head(200)
        await self._send({"type": "http.response.body", "body": piece, "more_body": False})

    async def fail(self, failure: Failure) -> None:
        """Tell a failure: with its status, or as the event that ends a stream."""
        if isinstance(failure, ClientLeft):
            return
        if self._begun:
            await self.end(failure.event(self._dialect))
            return
        body = failure.body(self._dialect)
        told = [
            (name.encode(), value.encode("latin-1", "replace")) for name, value in failure.headers.items()
        ]
        self._headers = [(b"content-type", b"application/json"), *self._identity, *told]
        if self._record.attempts:
            self._headers.append(self._attempts())
        self._headers += (*self._chosen(), *self._record.told)
        self._headers.append((b"content-length", b"%d" % len(body)))
        await self._head(failure.status)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _attempts(self) -> tuple[bytes, bytes]:
        return b"x-hyperbridge-attempts", b"%d" % len(self._record.attempts)

    def _chosen(self) -> Headers:
        """What was chosen, where there was a choice, and why; and what was recalled."""
        decision, recalled = self._record.decision, self._record.recalled
        found = () if recalled is None else ((b"x-hyperbridge-recalled", _found(recalled)),)
        if decision is None:
            return found
        return (
            *found,
            (b"x-hyperbridge-route", self._record.model.encode()),
            (b"x-hyperbridge-mode", (decision.mode or "none").encode()),
            (b"x-hyperbridge-reason", decision.reason.encode()),
        )

    async def _head(self, status: int) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": self._headers})
        self._begun = True  # not before: a beat may be cancelled while it waits to write


def _told(saving: Saving) -> bytes:
    """The layer, and what came of it: `codebook; saved=7096; forms=book,table; legend=180; epoch=9f2c41d0a3b7`."""
    said = [saving.layer, f"saved={saving.tokens}"]
    if saving.forms:
        said.append(f"forms={','.join(sorted(saving.forms))}")
    if saving.epoch:
        said += (f"legend={saving.legend_tokens}", f"epoch={saving.epoch}")
    if saving.why:
        said.append(f"refused={saving.why}")
    return "; ".join(said).encode()


def _found(recalled: Recalled) -> bytes:
    """How many passages of each source, which did not answer, and beneath how many older messages something stands:
    `memory:trip=3, faq=0; failed=orders; kept=2`.
    """
    said = [", ".join(f"{name}={count}" for name, count in recalled.counts.items())]
    if recalled.failed:
        said.append(f"failed={','.join(recalled.failed)}")
    if recalled.kept:
        said.append(f"kept={recalled.kept}")
    return "; ".join(filter(None, said)).encode("latin-1", "replace") or b"nothing"


def _beat_seconds(call: Call, headers: Mapping[bytes, bytes], setup: Setup) -> float:
    asked = heartbeat_seconds(headers)
    if not call.request.stream:
        return 0.0
    return setup.heartbeat_seconds if asked is None else asked


async def _body(headers: Mapping[bytes, bytes], receive: Receive, most_bytes: int) -> bytes:
    """The whole body, never more than so many bytes."""
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise WrongMediaType("Send the body uncompressed: content-encoding is not supported.")
    kind = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise WrongMediaType("Send JSON with 'content-type: application/json'.")
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft("The client closed the connection before its request was whole.")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most_bytes:
            raise _too_large(most_bytes)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {most_bytes} bytes, the configured maximum.")


def _joined(lines: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; those that may be sent in several lines are joined (RFC 9110, 5.3)."""
    headers = dict(lines)
    if len(headers) < len(lines):
        for name in _LISTS & headers.keys():
            headers[name] = b",".join(value for each, value in lines if each == name)
    return headers
