"""How a model's prompts are encoded: the forms of each layer, and what its tokens are counted with."""

from hashlib import blake2b

from app import config
from app.codecs.scenes import Encoding
from app.codecs.vocabularies import Vocabularies
from app.contracts import Layer
from scenes.encoder import Encoder, Least
from scenes.forms import FOLDS
from scenes.rough import ROUGH

VERSION = "scenes@1"
"""Of what comes of a text under the same settings: another one with another version."""


class Encodings:
    """Encodings by model and layer."""

    def __init__(self, settings: config.Scenes, vocabularies: Vocabularies) -> None:
        self._least = Least(settings.least_tokens, settings.least_share)
        self._vocabularies = vocabularies

    def of(self, model: str, layer: Layer) -> Encoding:
        counters = self._vocabularies.counters(model)
        policy = f"{VERSION} {layer} {','.join(each.name for each in counters)} {self._least}"
        encoder = Encoder(FOLDS, ROUGH[0], counters, self._least, codes=layer in {"codebook", "scenes"})
        return Encoding(layer, encoder, blake2b(policy.encode(), digest_size=32).digest())
