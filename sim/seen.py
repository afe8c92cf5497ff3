"""What reached the twin, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(slots=True, eq=False)
class Seen:
    """A request as it reached the twin, and how its answer went. Times are the loop's."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    number: int = 0
    came: float = 0.0
    left: float | None = None
    """When the client left before the answer was whole."""
    finished: bool = False
    """The twin was done with it before the client left, in whatever way."""
    ended: bool = False
    """The answer came to its proper end: nothing was cut and nobody left."""
    over: float | None = None
    """When the last was done for it."""
    model: str = ""
    status: int = 0
    """0 until the head is sent."""
    prompt_tokens: int = 0
    sent_tokens: int = 0

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def page(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def key(self) -> str:
        """The bearer key."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def line(self) -> dict[str, Any]:
        """What may be told of it: never what was said."""
        return {
            "number": self.number,
            "connection": self.connection,
            "method": self.method,
            "path": self.page,
            "model": self.model,
            "status": self.status,
            "came_seconds": round(self.came, 6),
            "duration_ms": self._since(self.over),
            "prompt_tokens": self.prompt_tokens,
            "sent_tokens": self.sent_tokens,
            "ended": self.ended,
            "left": self.left is not None,
            "left_after_ms": self._since(self.left),
        }

    def _since(self, time: float | None) -> float | None:
        return None if time is None else round((time - self.came) * 1000, 3)
