"""The vocabularies of six families, for tests that count tokens as models do."""

from functools import cache

from app.codecs.vocabularies import Vocabularies, found_in
from tests.support.process import ROOT

TOKENIZERS = ROOT / ".tokenizers"
"""Where `make tokenizers` puts them, which `make test` needs."""
FAMILIES = ("cl100k", "deepseek", "llama", "mistral", "o200k", "qwen")


@cache
def vocabularies() -> Vocabularies:
    """All six, read when first counted with; a machine without them has not run `make tokenizers`."""
    return Vocabularies(found_in(TOKENIZERS))
