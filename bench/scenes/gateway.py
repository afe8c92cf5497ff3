"""Prompts as the gateway says them, without the gateway around."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from app import config
from app.codecs.memo import Memo
from app.codecs.methods import Methods
from app.codecs.scenes import Scenes
from app.codecs.vocabularies import Vocabularies
from app.contracts import Layer, Saving
from app.operations import CHAT
from app.wire import Request
from bench.texts.sessions import Message

MODELS: Mapping[str, str] = {
    "qwen": "qwen3-32b",
    "cl100k": "gpt-4",
    "o200k": "gpt-4o",
    "deepseek": "deepseek-v3",
    "mistral": "mistral-nemo",
    "llama": "llama-3.3-70b",
}
"""Of each family one; the order of the tables."""
UNKNOWN = "no-such-model"


class Gateway:
    """Encodes with the defaults of the configuration, and counts with the vocabularies that it is given."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """`files`: of each family its vocabulary."""
        settings = config.Scenes()
        self.families: Sequence[str] = [family for family in MODELS if family in files]
        self.vocabularies = Vocabularies(files)
        self.methods = Methods(settings, self.vocabularies)
        self.codec = Scenes(self.methods.of, Memo(settings.memo_bytes))
        self._counted = lru_cache(maxsize=10_000)(self._count)

    def count(self, family: str, text: str) -> int:
        return self._counted(family, text)

    def said(self, messages: Sequence[Message], model: str, layer: Layer) -> tuple[Sequence[Message], Saving]:
        """The messages as an upstream gets them."""
        said = self.codec.encode(request(messages, model), CHAT.dialect, model, layer)
        encoded: list[Message] = said.request.members.value("messages")
        return encoded, said.saving

    def result(self, text: str, model: str, layer: Layer) -> tuple[str, str]:
        """What a tool gave back as an upstream gets it, and the form it took: "-" where it took none."""
        [message], saving = self.said(
            [{"role": "tool", "tool_call_id": "call_1", "content": text}], model, layer
        )
        return str(message["content"]), " ".join(saving.forms) or "-"

    def _count(self, family: str, text: str) -> int:
        return self.vocabularies.exact(family).count(text)


def request(messages: Sequence[Message], model: str) -> Request:
    """A client's call of chat completions."""
    return Request.parse(msgspec.json.encode({"model": model, "messages": messages}), CHAT)
