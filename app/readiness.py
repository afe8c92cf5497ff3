"""Whether this worker wants new requests."""


class Readiness:
    """False until the start is complete, and again in the last steps of a stop."""

    def __init__(self) -> None:
        self.ready = False
