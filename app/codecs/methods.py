"""How a model's prompts are encoded: the forms of each layer, and what its tokens are counted with."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

from app import config
from app.codecs.scenes import Method
from app.codecs.vocabularies import Vocabularies
from app.contracts import Layer
from scenes.contracts import Counter
from scenes.forms import FOLDS
from scenes.rough import ROUGH
from scenes.shortener import Least, Shortener

VERSION = "scenes@2"
"""Of what comes of a text under the same settings: another one with another version."""

_MOST = 1000
"""Models and layers whose methods are held."""
_DIGIT_BY_DIGIT = frozenset(("qwen", "mistral"))
"""Families whose vocabularies have no number of several digits."""


class Methods:
    """Methods by model and layer."""

    def __init__(self, settings: config.Scenes, vocabularies: Vocabularies) -> None:
        self._least = Least(settings.least_tokens, settings.least_share)
        self._vocabularies = vocabularies
        self.of = lru_cache(_MOST)(self._of)

    def _of(self, model: str, layer: Layer) -> Method:
        counters = self._vocabularies.counters(model)
        policy = f"{VERSION} {layer} {','.join(each.name for each in counters)} {self._least}"
        shortener = Shortener(FOLDS, _rough(counters), counters, self._least, codes=layer != "safe")
        return Method(layer, shortener, blake2b(policy.encode(), digest_size=32).digest())


def _rough(counters: Sequence[Counter]) -> Counter:
    """The rough counter of a model's own kind; where that is not known, the one that takes numbers for dearer."""
    [digits, triples] = ROUGH
    return triples if len(counters) == 1 and counters[0].name not in _DIGIT_BY_DIGIT else digits
