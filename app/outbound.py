"""What an upstream is asked for a call: the client's body with the members set that have to be."""

from collections.abc import Callable, Sequence

import msgspec

from app import estimate
from app.contracts import Call, Outbound, Placed, Route, Source
from app.routing.defaults import members_to_set
from app.routing.thinking import Way
from app.wire import Members, Request


def outbound(  # noqa: PLR0913 - what an outbound is made of
    call: Call,
    request: Request,
    route: Route,
    source: Source,
    *,
    way: Way,
    deadline: float,
    first_by: float,
    tried: frozenset[str],
    keeps_text: bool,
    hedge: bool,
    placed: Callable[[Placed], None],
    sent: Callable[[], None],
) -> Outbound:
    """The request for this route; `request` is the client's, or what was made of it, `way` how it is told to think.

    Its tokens are estimated only where the upstream counts them.
    """
    model = source.resolved(route.model)
    unbounded_tokens = source.unbounded_tokens(route.model)
    members = members_to_set(call.operation, request, route, way)
    if model != route.model:
        members["model"] = msgspec.json.encode(model)
    members.update(source.members(call))
    if asks_usage_itself(call):
        members["stream_options"] = _asking_usage(request)
    return Outbound(
        operation=call.operation,
        model=model,
        body=request.members.replaced(members),
        stream=request.stream,
        headers=call.headers,
        deadline=deadline,
        first_by=first_by,
        hurried=call.timeout_seconds is not None,
        tried=tried,
        keeps_text=keeps_text and call.operation.continuable,
        priority=call.priority,
        caller=call.caller.id,
        weight=call.caller.weight,
        hedge=hedge,
        prompt_tokens=0 if unbounded_tokens is None else estimate.input_tokens(call),
        answer_tokens=0
        if unbounded_tokens is None
        else estimate.output_tokens(call, route, unbounded_tokens),
        placed=placed,
        sent=sent,
        prompt=lambda: _prompt(request),
    )


_READ = ("instructions", "system", "tools", "messages", "prompt", "input")
"""What a model reads of a request, in the order in which templates put it."""


def _prompt(request: Request) -> Sequence[bytes]:
    """The members that are read, without the bracket at the end: a conversation that goes on begins with all of this one."""
    return [raw[:-1] for name in _READ if (raw := request.members.raw(name)) is not None]


def asks_usage_itself(call: Call) -> bool:
    """Whether the gateway asks for a stream's usage on its own account."""
    return call.operation.asks_usage and call.request.stream and not call.request.include_usage


def _asking_usage(request: Request) -> bytes:
    """The client's stream options, with usage asked for."""
    raw = request.members.raw("stream_options")
    options = Members.of(b"{}" if raw in {None, b"null"} else raw)
    return options.replaced({"include_usage": b"true"})
