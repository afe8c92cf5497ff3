"""What an embedded model is asked by: its name, and for each adapter `name:adapter`."""

from collections.abc import Mapping, Sequence

import orjson

from app import config
from app.contracts import ModelCard
from app.errors import UpstreamRefused


class Names:
    """The names, and the adapters that llama.cpp shall apply for each."""

    def __init__(self, settings: config.Embedded) -> None:
        base = settings.name or settings.model.stem
        self.base = base
        self.cards: Sequence[ModelCard] = [
            ModelCard(base, context_tokens=settings.context_tokens),
            *(ModelCard(f"{base}:{lora}", base, settings.context_tokens) for lora in settings.loras),
        ]
        self._scales = {base: _scales(settings, None)} | {
            f"{base}:{lora}": _scales(settings, lora) for lora in settings.loras
        }

    def members(self, name: str) -> Mapping[str, bytes]:
        """The members that a request for this name needs; raises UpstreamRefused where there is no such name."""
        scales = self._scales.get(name)
        if scales is None:
            known = ", ".join(map(repr, self._scales))
            raise UpstreamRefused(
                404,
                f"This upstream has no such model: it has {known}.",
                code="model_not_found",
                param="model",
            )
        return {"lora": scales, "cache_prompt": b"false"} if len(self._scales) > 1 else {}


def _scales(settings: config.Embedded, chosen: str | None) -> bytes:
    """llama.cpp's `lora` member. All adapters stand in it: one that is left out keeps the scale it was loaded with."""
    return orjson.dumps([
        {"id": number, "scale": lora.scale if name == chosen else 0.0}
        for number, (name, lora) in enumerate(settings.loras.items())
    ])
