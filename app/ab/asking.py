"""One question asked at the gateway, as any client asks; failures that may pass are tried again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Literal, TypeAlias

import httpx
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from app.ab.faults import Refused
from app.ab.question import Question
from app.backoff import pause_seconds

Arm: TypeAlias = Literal["raw", "encoded"]

SCENES = "x-hyperbridge-scenes"
TRIES = 5
LONGEST_PAUSE_SECONDS = 120.0
"""However long a Retry-After is."""
_PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
_FINAL = frozenset((401, 403, 404))
"""Statuses that no other question would change."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How all questions are asked; None leaves a member to the model's server."""

    model: str
    layer: str
    temperature: float | None = 0.0
    max_tokens: int | None = None


class Reply(msgspec.Struct, frozen=True):
    """What came of asking a question: the answer's text, or an `error` that says why there is none.

    `number` tells several askings of one arm apart, `saved` is what the gateway says to have saved of the prompt in
    tokens, `upstream` and `model` who answered, the tokens those that the upstream counted (0: it did not say).
    """

    question: str
    arm: Arm
    number: int
    text: str = ""
    error: str = ""
    saved: int = 0
    forms: str = ""
    upstream: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


class _Passing(Exception):
    """A failure that may be over soon; `headers` may say when."""

    def __init__(self, said: str, headers: Mapping[str, str]) -> None:
        super().__init__(said)
        self.headers = headers


class Asking:
    """Asks questions, each at most so many times as `TRIES`."""

    def __init__(self, client: httpx.AsyncClient, manner: Manner) -> None:
        """`client` knows the gateway's URL, the key and how long to wait."""
        self._client = client
        self._manner = manner

    async def ask(self, question: Question, arm: Arm, number: int) -> Reply:
        """The reply, whether it is an answer or not. Raises Refused."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Passing),
            stop=stop_after_attempt(TRIES),
            wait=_pause_seconds,
            reraise=True,
        )
        try:
            return await retrying(self._once, question, arm, number)
        except _Passing as failure:
            return Reply(question.id, arm, number, error=str(failure))

    async def _once(self, question: Question, arm: Arm, number: int) -> Reply:
        layer = self._manner.layer if arm == "encoded" else "off"
        began = perf_counter()
        try:
            response = await self._client.post(
                "/v1/chat/completions", json=self._body(question), headers={SCENES: layer}
            )
        except httpx.TransportError as error:
            raise _Passing(f"no answer: {type(error).__name__}", {}) from None
        seconds = perf_counter() - began
        if response.is_success:
            return _reply(Reply(question.id, arm, number, seconds=seconds), response)
        said = f"{response.status_code} {_code(response)}".strip()
        if response.status_code in _FINAL:
            raise Refused(said)
        if response.status_code in _PASSING:
            raise _Passing(said, response.headers)
        return Reply(question.id, arm, number, error=said)

    def _body(self, question: Question) -> Mapping[str, Any]:
        wanted = {"temperature": self._manner.temperature, "max_tokens": self._manner.max_tokens}
        given = {name: value for name, value in wanted.items() if value is not None}
        return {"model": self._manner.model, "messages": question.messages, **given}


def _pause_seconds(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome is not None else None
    headers = failure.headers if isinstance(failure, _Passing) else {}
    return min(pause_seconds(state.attempt_number, headers, datetime.now(UTC)), LONGEST_PAUSE_SECONDS)


def _reply(asked: Reply, response: httpx.Response) -> Reply:
    try:
        body = response.json()
        text = body["choices"][0]["message"]["content"] or ""
        usage = body.get("usage") or {}
    except (ValueError, LookupError, TypeError, AttributeError):
        return msgspec.structs.replace(asked, error="an answer of no known form")
    saved, forms = _saved(response.headers.get(SCENES, ""))
    return msgspec.structs.replace(
        asked,
        text=text if isinstance(text, str) else json.dumps(text),
        saved=saved,
        forms=forms,
        upstream=response.headers.get("x-hyperbridge-upstream", ""),
        model=response.headers.get("x-hyperbridge-model", ""),
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _saved(told: str) -> tuple[int, str]:
    """Tokens and forms of `safe; saved=7096; forms=log,table`; a gateway that says nothing has changed nothing."""
    said = dict(part.strip().partition("=")[::2] for part in told.split(";"))
    saved = said.get("saved", "")
    return int(saved) if saved.removeprefix("-").isdecimal() else 0, said.get("forms", "")


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) else 0


def _code(response: httpx.Response) -> str:
    """The error's code; its message may hold what was asked."""
    try:
        code = response.json()["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return ""
    return str(code)[:64]
