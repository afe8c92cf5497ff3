"""The straight line of one call: permit, routes, encoded request, upstream, answer."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter

import msgspec

from app import sse
from app.contracts import Answer, Call, Codec, Limiter, Outbound, Route, Routing, Source
from app.errors import Unsupported, UpstreamBroken, UpstreamFailure, UpstreamRefused
from app.journal import Record
from app.passing import Passing
from app.routing.defaults import members_to_set
from app.usage import Usage
from app.wire import Members


class _UsageEvent(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = msgspec.Raw()


_usage_event = msgspec.json.Decoder(_UsageEvent)


class Exchange:
    """Takes a call from permit to answer."""

    def __init__(
        self, limiter: Limiter, routing: Routing, codec: Codec, sources: Mapping[str, Source]
    ) -> None:
        self._limiter = limiter
        self._routing = routing
        self._codec = codec
        self._sources = sources

    @asynccontextmanager
    async def answer(self, call: Call, record: Record) -> AsyncGenerator[Answer]:
        """Hold the answer to a call; when the block ends, however it ends, everything is given back.

        Entering raises whatever can still become an HTTP status.
        """
        async with self._limiter.admit(call) as permit, AsyncExitStack() as held:
            followed = Followed(await self._open(call, record, held), call, record)
            try:
                yield followed
            finally:
                record.usage = followed.usage()
                record.finish = followed.reading.finish
                permit.settle(record.usage)

    async def _open(self, call: Call, record: Record, held: AsyncExitStack) -> Answer:
        """The answer of the first route that gives one."""
        *others, last = self._routing.decide(call)
        for route in others:
            try:
                return await self._try(call, route, record, held)
            except UpstreamRefused:  # the client's own mistake is one everywhere
                raise
            except UpstreamFailure:
                continue
        return await self._try(call, last, record, held)

    async def _try(self, call: Call, route: Route, record: Record, held: AsyncExitStack) -> Answer:
        record.route = route
        record.model = route.alias
        source = self._sources[route.upstream]
        if call.operation.name not in source.operations:
            raise Unsupported(
                f"The model {call.request.model!r} does not offer {call.operation.path}.", param="model"
            )
        encoded = self._codec.encode(call.request)
        members = members_to_set(call.operation, encoded.request, route)
        if _must_ask_usage(call):
            members["stream_options"] = _asking_usage(call)
        outbound = Outbound(
            operation=call.operation,
            model=route.model,
            body=encoded.request.members.replaced(members),
            stream=call.request.stream,
            headers=call.headers,
            deadline=call.started + source.total_seconds,
        )
        record.asked = perf_counter()
        return encoded.decoder.decode(await held.enter_async_context(source.upstream.open(outbound)))


class Followed(Passing):
    """An answer on its way to the client: counted, and without the usage nobody but the gateway asked for."""

    def __init__(self, answer: Answer, call: Call, record: Record) -> None:
        super().__init__(answer)
        self._record = record
        self._hides_usage = _must_ask_usage(call)
        record.streams = answer.streams
        record.first_content = perf_counter()

    async def read(self) -> bytes:
        while piece := await self._answer.read():
            self._record.chunk(perf_counter(), len(piece))
            if self._hides_usage and b'"usage"' in piece:
                piece = without_usage(piece)
            if piece:
                return piece
        self._record.answered = perf_counter()
        if self.reading.failed:  # the upstream told the client itself
            self._record.failure = UpstreamBroken(
                "The upstream failed.", detail="an error event in the stream"
            )
        return b""

    def usage(self) -> Usage:
        """As the upstream reported it; where it did not, output is estimated by events with content."""
        if self.reading.usage is not None:
            return self.reading.usage
        return Usage(output_tokens=self.reading.content_events, estimated=self.reading.content_events > 0)


def without_usage(events: bytes) -> bytes:
    """The events, less those that hold usage and no choice."""
    return b"".join(event for event in sse.split(events) if not _only_usage(event))


def _only_usage(event: bytes) -> bool:
    try:
        found = _usage_event.decode(sse.data(event))
    except (msgspec.DecodeError, RecursionError):
        return False
    return found.choices == [] and bytes(found.usage).startswith(b"{")


def _must_ask_usage(call: Call) -> bool:
    """Whether the gateway asks for a stream's usage on its own account."""
    return call.operation.asks_usage and call.request.stream and not call.request.include_usage


def _asking_usage(call: Call) -> bytes:
    """The client's stream options, with usage asked for."""
    raw = call.request.members.raw("stream_options")
    options = Members.of(b"{}" if raw in {None, b"null"} else raw)
    return options.replaced({"include_usage": b"true"})
