"""An answer in which the model bears the name that it was asked by."""

import orjson

from app.contracts import Answer
from app.passing import Passing


class Renamed(Passing):
    """Replaces one name of a model by another in llama.cpp's compact JSON.

    Within a text the quotes are escaped, so only the member itself is met.
    """

    def __init__(self, answer: Answer, name: str, asked: str) -> None:
        super().__init__(answer)
        self._from = b'"model":' + orjson.dumps(name)
        self._to = b'"model":' + orjson.dumps(asked)

    async def read(self) -> bytes:
        return (await super().read()).replace(self._from, self._to)
