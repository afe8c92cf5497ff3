"""Vectors of texts from a server that speaks `/embeddings` as OpenAI does, each text asked once."""

from collections.abc import Sequence

import httpx
import numpy as np
import numpy.typing as npt

AT_ONCE = 64
TIMEOUT_SECONDS = 300.0


class Encoder:
    """Asks for vectors and keeps them; raises httpx.HTTPError where the server does not answer with some."""

    def __init__(self, url: str, model: str, key: str = "") -> None:
        self._url, self._model = url.rstrip("/"), model
        self._client = httpx.Client(
            timeout=TIMEOUT_SECONDS, headers={"authorization": f"Bearer {key}"} if key else {}
        )
        self._known: dict[str, npt.NDArray[np.float32]] = {}

    def likeness(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """The cosine of the question and each text."""
        self._ask([question, *texts])
        likeness: list[float] = (
            np.array([self._known[text] for text in texts]) @ self._known[question]
        ).tolist()
        return likeness

    def _ask(self, texts: Sequence[str]) -> None:
        new = [*dict.fromkeys(text for text in texts if text not in self._known)]
        for start in range(0, len(new), AT_ONCE):
            part = new[start : start + AT_ONCE]
            answer = self._client.post(f"{self._url}/embeddings", json={"model": self._model, "input": part})
            items = sorted(answer.raise_for_status().json()["data"], key=lambda item: item["index"])
            made = np.array([item["embedding"] for item in items], dtype=np.float32)
            made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
            self._known.update(zip(part, made, strict=True))
