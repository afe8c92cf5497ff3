"""How many tokens a call has, where the upstream did not say, or has not been asked yet."""

from app.contracts import Call, Route
from app.prompt import BYTES_A_TOKEN, prompt
from app.usage import MAX_TOKENS
from app.wire import Members

__all__ = ("BYTES_A_TOKEN", "input_tokens", "output_tokens")

_OUTPUT_BOUNDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


def input_tokens(call: Call) -> int:
    """An estimate: the bytes of the prompt's texts and tools, by four; of a prompt in tokens, these; 1,000 for an image."""
    return call.request.members.once(prompt).tokens


def output_tokens(call: Call, route: Route, unbounded: int) -> int:
    """The most that the answers may have: the client's bound, else the route's, else `unbounded`; for each of `n`."""
    if not call.operation.streams:  # nothing is written there: vectors, ranks, counts
        return 0
    members, spans = call.request.members, call.request.members.spans
    for name in _OUTPUT_BOUNDS:
        if name in spans:
            bound = _whole(members, name, unbounded)
            break
    else:
        default = route.defaults.get("max_tokens", b"")
        bound = int(default) if default.isdigit() else unbounded
    if "n" in spans or "best_of" in spans:
        bound *= max(_whole(members, "n", 1), _whole(members, "best_of", 1), 1)
    return min(bound, MAX_TOKENS)


def _whole(members: Members, name: str, default: int) -> int:
    """A member that is a whole number; the default where it is something else, which the upstream will judge."""
    raw = members.raw(name)
    if raw is None or not raw.isdigit():
        return default
    return int(raw) if len(raw) < 16 else MAX_TOKENS
