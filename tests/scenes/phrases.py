"""A text in which whole phrases come again, and nothing else does: only codes can say it shorter."""

import random

WORDS = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heath",
    "inlet",
    "jetty",
    "knoll",
    "ledge",
    "marsh",
    "north",
    "plain",
    "quay",
    "ridge",
    "tide",
]
PHRASES = (
    "connection to the primary database was lost again",
    "certificate of the payment gateway will expire soon",
    "could not reserve the item in the warehouse",
)


def repeated(seed: int = 5, lines: int = 40) -> str:
    drawn = random.Random(seed)

    def words() -> str:
        return " ".join(drawn.choice(WORDS) for _ in range(drawn.randint(1, 6)))

    return "\n".join(f"{words()} {drawn.choice(PHRASES)} {words()}" for _ in range(lines))
