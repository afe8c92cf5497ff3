"""What a client may ask of the gateway itself, by headers."""

from collections.abc import Mapping

from app.errors import BadRequest

TIMEOUT = b"x-hyperbridge-timeout"
MOST_SECONDS = 86_400.0


def timeout_seconds(headers: Mapping[bytes, bytes]) -> float | None:
    """How long the client waits at most for the whole answer; None where it does not say. Raises BadRequest."""
    value = headers.get(TIMEOUT)
    if value is None:
        return None
    try:
        asked = float(value)
    except ValueError:
        asked = 0.0
    if not 0 < asked <= MOST_SECONDS:
        raise BadRequest(f"{TIMEOUT.decode()} must be seconds: a number above 0, at most {MOST_SECONDS:.0f}.")
    return asked
