"""Members that are set in a request: the model's name, what the configuration wants, and whether to think."""

from collections.abc import Mapping

import orjson

from app.contracts import Route
from app.operations import Operation
from app.routing.thinking import Way
from app.wire import Request

_LENGTH_NAMES: Mapping[str, tuple[str, ...]] = {
    "chat": ("max_tokens", "max_completion_tokens"),
    "completions": ("max_tokens",),
    "messages": ("max_tokens",),
    "responses": ("max_output_tokens",),
}
"""What `max_tokens` is called in each dialect; the first name is the one that is set."""


def members_to_set(operation: Operation, request: Request, route: Route, way: Way) -> dict[str, bytes]:
    """The upstream's model name, the route's defaults, and how it is told to think or not: a client's own value
    always wins.
    """
    named = request.model == route.model and request.members.has("model")
    members = {} if named else {"model": orjson.dumps(route.model)}
    if not operation.streams:  # what does not stream generates no text, and takes no parameters for it
        return members
    for name, value in route.defaults.items():
        names = _LENGTH_NAMES[operation.dialect] if name == "max_tokens" else (name,)
        if not any(request.members.has(each) for each in names):
            members[names[0]] = value
    return members | way.members(request, members)
