"""What wraps an answer: everything passes but what a subclass changes."""

from app.contracts import Answer, Headers
from app.reading import Reading


class Passing:
    """An answer that is another one."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def headers(self) -> Headers:
        return self._answer.headers

    @property
    def streams(self) -> bool:
        return self._answer.streams

    @property
    def reading(self) -> Reading:
        return self._answer.reading

    async def read(self) -> bytes:
        return await self._answer.read()
