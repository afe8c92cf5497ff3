"""The files of hypertokens."""

from pathlib import Path
from typing import TYPE_CHECKING

from app.config.books import Books, contents

if TYPE_CHECKING:
    from scenes.hypertokens import Hypertokens

MOST_BYTES = 64 << 20
"""Of a file."""


def read(file: Path) -> "Hypertokens":
    """The book in a file; raises ValueError saying what is wrong with it."""
    from scenes.hypertokens import Hypertokens  # noqa: PLC0415 - most configurations name none

    return Hypertokens.from_json(contents(file, MOST_BYTES))


HYPERTOKENS = Books("hypertokens", "hypertokens", read, "is no book of hypertokens")
