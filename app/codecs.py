"""Codecs: what a request is turned into on the way in, and its answer on the way out."""

from app.contracts import Answer, Encoded
from app.wire import Request


class Identity:
    """Changes nothing: bytes go through as they came."""

    def encode(self, request: Request) -> Encoded:
        return Encoded(request, self)

    def decode(self, answer: Answer) -> Answer:
        return answer
