"""Scenes by a model, asked through the gateway like any client's question.

The model sees numbered sentences and answers with numbers and names of closed lists alone (`scenes.parsing`), so every word of a
scene is its document's. An answer that does not fit is asked for again, and rules stand in after the last attempt. What was
answered is kept in a file beside the step's own: a run that was killed asks nothing twice.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from scenes.former import grouped
from scenes.parsing import RESPONSE_FORMAT, Shown, Unverified, shown
from scenes.scene import Scene
from training.corpus.document import Document
from training.corpus.turns import kind, turns, whose
from training.lines import append
from training.recipe import ByModel
from training.wrong import Wrong

ANSWERS = "answers.jsonl"
_PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
_MILLION = 1_000_000
_TIMEOUT_SECONDS = 120.0


class Answered(msgspec.Struct, frozen=True):
    """What the model said about a part of a document."""

    document: str
    part: int
    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Passing(Exception):
    """May be over soon."""


class Parser:
    """Asks the model; `out` is the step's folder."""

    def __init__(self, settings: ByModel, out: Path) -> None:
        """Raises Wrong where no key is set."""
        key = os.environ.get(settings.key, "")
        self._settings = settings
        self._file = out / ANSWERS
        self._all = self._read()
        self._known = {(each.document, each.part): each for each in self._all}
        self._by_rules = 0
        self._client = httpx.Client(
            base_url=settings.url.rstrip("/"),
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=_TIMEOUT_SECONDS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def scenes(self, document: Document) -> Sequence[Scene]:
        """Raises Wrong where the gateway refuses, or does not answer."""
        found: list[Scene] = []
        for number, part in enumerate(shown(turns(document))):
            parsed = self._parsed(document, number, part, 1 + len(found))
            if parsed is None:
                self._by_rules += 1
                parsed = [*grouped(part.sentences, whose(document), kind(document), 1 + len(found))]
            found += parsed
        return found

    @property
    def figures(self) -> Mapping[str, Any]:
        """What it took, with the cost where the gateway knows the model's price."""
        prompt = sum(each.prompt_tokens for each in self._all)
        completion = sum(each.completion_tokens for each in self._all)
        price = self._price()
        cost = {} if price is None else {"cost_usd": (prompt * price[0] + completion * price[1]) / _MILLION}
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "parts_by_rules": self._by_rules,
            **cost,
        }

    def _parsed(self, document: Document, number: int, part: Shown, first: int) -> Sequence[Scene] | None:
        """None where no answer fits."""
        for _ in range(self._settings.attempts):
            answered = self._known.get((document.id, number)) or self._ask(document, number, part)
            try:
                return part.parsed(
                    answered.text.encode(),
                    whose(document),
                    f"llm:{self._settings.model}",
                    kind(document),
                    first,
                )
            except Unverified:
                del self._known[document.id, number]
        return None

    def _ask(self, document: Document, number: int, part: Shown) -> Answered:
        retrying = Retrying(
            retry=retry_if_exception_type(_Passing),
            stop=stop_after_attempt(5),
            wait=wait_exponential_jitter(1, 30),
            reraise=True,
        )
        try:
            body = retrying(self._post, part)
        except _Passing as fault:
            raise Wrong(
                f"scenes.model: {self._settings.url} does not answer ({fault}); the same command goes on where it stopped"
            ) from None
        usage = body.get("usage") or {}
        answered = Answered(
            document.id,
            number,
            _text(body),
            usage.get("prompt_tokens", 0),
            usage.get("completion_tokens", 0),
        )
        self._known[document.id, number] = answered
        self._all.append(answered)
        append(self._file, answered)
        return answered

    def _post(self, part: Shown) -> Mapping[str, Any]:
        body = {
            "model": self._settings.model,
            "messages": part.messages(),
            "response_format": RESPONSE_FORMAT,
            "temperature": 0,
        }
        try:
            response = self._client.post("/chat/completions", json=body)
        except httpx.TransportError as fault:
            raise _Passing(type(fault).__name__) from None
        if response.status_code in _PASSING:
            raise _Passing(str(response.status_code))
        if not response.is_success:
            raise Wrong(
                f"scenes.model: {self._settings.url} answers {response.status_code}: {_said(response)}"
            )
        found: Mapping[str, Any] = response.json()
        return found

    def _price(self) -> tuple[float, float] | None:
        """US dollars for a million tokens in and out, as the gateway's list of models says."""
        try:
            card = self._client.get(f"/models/{self._settings.model}").json()
            price = card["hyperbridge"]["price"]
            return float(price["input"]), float(price["output"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            return None

    def _read(self) -> list[Answered]:
        found: list[Answered] = []
        if self._file.exists():
            for line in self._file.read_bytes().splitlines():
                with suppress(
                    msgspec.DecodeError
                ):  # the last one, where the process was killed while it wrote
                    found.append(msgspec.json.decode(line, type=Answered))
        return found


def _text(body: Mapping[str, Any]) -> str:
    """What the model said; "" for an answer of no known form, which then does not fit."""
    try:
        return str(body["choices"][0]["message"]["content"] or "")
    except (LookupError, TypeError):
        return ""


def _said(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["code"])[:100]
    except (ValueError, LookupError, TypeError):
        return "no reason"
