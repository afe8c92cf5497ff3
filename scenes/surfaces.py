"""Undoes hypertokens in what a model streams, as `scenes.decoding` does with codes."""

import re
from collections.abc import Mapping

from scenes.decoding import in_json
from scenes.hypertokens import SURFACE

_OPEN = re.compile(r"<(?:\|(?:Δ(?:[0-9]{1,6}\|?)?)?)?\Z")
"""What may become a surface."""
_LONGEST = len("<|Δ123456|")


class SurfaceDecoder:
    """Replaces surfaces by what they stand for, in plain text. `decoded` and `unknown` count those that it saw."""

    def __init__(self, phrases: Mapping[str, str]) -> None:
        self._phrases = phrases
        self._held = ""
        self.decoded = 0
        self.unknown = 0

    def feed(self, text: str) -> str:
        if not self._held and "<" not in text:
            return text
        text = self._held + text
        still_open = _OPEN.search(text, max(0, len(text) - _LONGEST))
        self._held = text[still_open.start() :] if still_open else ""
        return SURFACE.sub(self._phrase, text[: len(text) - len(self._held)])

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held

    def cut(self) -> str:
        """What is certain of it where the stream broke: nothing, since a whole surface is never held back."""
        self._held = ""
        return ""

    def _phrase(self, surface: re.Match[str]) -> str:
        phrase = self._phrases.get(surface[0])
        if phrase is None:
            self.unknown += 1
            return surface[0]
        self.decoded += 1
        return phrase


def json_decoder(phrases: Mapping[str, str]) -> SurfaceDecoder:
    """The same in a JSON document, where surfaces stand in strings alone: phrases come escaped."""
    return SurfaceDecoder({surface: in_json(phrase) for surface, phrase in phrases.items()})
