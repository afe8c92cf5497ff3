"""How fast a model answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds to the first content, and tokens a second behind it; 0 is not known yet."""

    first_seconds: float
    tokens_a_second: float = 0.0

    def seconds(self, tokens: int) -> float:
        """How long an answer of so many tokens takes."""
        return self.first_seconds + (tokens / self.tokens_a_second if self.tokens_a_second else 0.0)
