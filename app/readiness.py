"""Whether this worker wants new requests."""


class Readiness:
    """False before the start is complete and from the moment a stop was asked for."""

    def __init__(self) -> None:
        self.ready = False
