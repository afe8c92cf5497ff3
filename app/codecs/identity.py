"""The codec that changes nothing."""

from app.contracts import Answer, Call, Encoded, Route
from app.wire import Request


class Identity:
    """Changes nothing: bytes go through as they came."""

    async def encode(self, call: Call, route: Route, request: Request) -> Encoded:
        return Encoded(request, self)

    def decode(self, answer: Answer) -> Answer:
        return answer
