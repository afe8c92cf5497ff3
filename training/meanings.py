"""Vectors of scenes: the static token vectors by which the gateway's memory finds them, too."""

from pathlib import Path

import msgspec

from app.codecs.meanings import Unmeaning, opened
from scenes.meaning import Meaning
from scenes.scene import Scene
from training.wrong import Wrong


class Meanings:
    """Puts vectors to scenes, or leaves them as they are where there is no table."""

    def __init__(self, meaning: Meaning | None) -> None:
        self._meaning = meaning

    @classmethod
    def of(cls, folder: Path | None) -> "Meanings":
        """From the folder of `make vectors`. Raises Wrong."""
        try:
            return cls(None if folder is None else opened(folder))
        except Unmeaning as fault:
            raise Wrong(f"scenes.vectors: {fault}") from None

    def put(self, scene: Scene, text: str) -> Scene:
        if self._meaning is None:
            return scene
        [vector] = self._meaning.vectors([text])
        if not vector.any():
            return scene
        return msgspec.structs.replace(
            scene, encoder=self._meaning.name, vector=vector.astype("<f2").tobytes()
        )
