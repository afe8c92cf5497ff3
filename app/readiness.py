"""Whether this worker wants new requests."""

from app.errors import Stopping

READINESS = "readiness"
"""Where the application's lifespan leaves it to the server that stops it."""


class Readiness:
    """`ready` is false until the start is complete, and again from the moment a stop was asked for; `stopping` says
    the latter.
    """

    def __init__(self) -> None:
        self.ready = False
        self.stopping = False

    def admit(self) -> None:
        """Raises Stopping where no new call is begun."""
        if self.stopping:
            raise Stopping

    def stop(self) -> None:
        self.ready = False
        self.stopping = True
