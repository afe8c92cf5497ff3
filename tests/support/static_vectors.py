"""The table of vectors of tokens, for tests that find scenes by what they mean."""

from pathlib import Path

from app.codecs.meanings import opened
from scenes.meaning import Meaning
from tests.support.process import ROOT

VECTORS: Path = ROOT / ".vectors"
"""Where `make vectors` puts it, which `make test` needs."""


def meaning() -> Meaning:
    """A machine without it has not run `make vectors`."""
    return opened(VECTORS)
