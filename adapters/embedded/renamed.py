"""An answer in which the model bears the name that it was asked by."""

import orjson

from app.contracts import Answer, Headers
from app.reading import Reading


class Renamed:
    """Replaces one name of a model by another in llama.cpp's compact JSON.

    Within a text the quotes are escaped, so only the member itself is met.
    """

    def __init__(self, answer: Answer, name: str, asked: str) -> None:
        self._answer = answer
        self._from = b'"model":' + orjson.dumps(name)
        self._to = b'"model":' + orjson.dumps(asked)

    @property
    def status(self) -> int:
        return self._answer.status

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
        return (await self._answer.read()).replace(self._from, self._to)
