"""A server's `/models`, asked now and then over httpx: which models it has, and whether it is there at all."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from adapters.refusals import refusal
from app.contracts import ModelCard
from app.errors import UpstreamBroken, UpstreamFailure, UpstreamTimeout, UpstreamUnavailable
from app.price_table import Price, dollars

TIMEOUT_SECONDS = 5.0
_MILLION = 1_000_000


class _List(msgspec.Struct):
    data: list[dict[str, Any]]


class Directory:
    """Asks one server, outside the exchange path."""

    def __init__(
        self, base_url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None, listing: str = "models"
    ) -> None:
        """`listing` is the path of the list of models."""
        self._listing = listing
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,  # proxy variables are not heeded on the exchange path either
            verify=tls if tls is not None else False,
        )

    async def cards(self) -> list[ModelCard]:
        """The models that the server lists. Raises UpstreamFailure."""
        answer = await self.request("GET", self._listing)
        try:
            found = msgspec.json.decode(answer.content, type=_List)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamBroken(
                "The upstream's model list was not understood.", detail="malformed"
            ) from None
        return [_card(each) for each in found.data if isinstance(each.get("id"), str)]

    async def request(
        self,
        method: str,
        path: str,
        json: Mapping[str, object] | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> httpx.Response:
        """One request; raises UpstreamFailure for any status that is not a success."""
        answer = await self.ask(method, path, json, seconds)
        if answer.is_success:
            return answer
        raise _refused(answer)

    async def ask(
        self,
        method: str,
        path: str,
        json: Mapping[str, object] | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> httpx.Response:
        """One request, whatever is answered. `path` may be a whole URL. Raises UpstreamTimeout and UpstreamUnavailable."""
        if self._client.is_closed:
            raise UpstreamUnavailable("The upstream is not used any more.", detail="closed")
        try:
            async with asyncio.timeout(seconds):  # the client's own bounds hold for each read
                return await self._client.request(method, path, json=json, timeout=seconds)
        except (httpx.TimeoutException, TimeoutError):
            raise UpstreamTimeout("The upstream did not answer in time.", detail=f"{method} {path}") from None
        except httpx.HTTPError as error:
            raise UpstreamUnavailable(
                "The upstream cannot be reached.", detail=type(error).__name__
            ) from None

    async def close(self) -> None:
        await self._client.aclose()


def _card(entry: Mapping[str, Any]) -> ModelCard:
    """An entry of the list as far as it is understood: vLLM's, or Nebius' in full, which OpenRouter's is like."""
    parent = entry.get("parent")
    lengths = (entry.get("max_model_len"), entry.get("context_length"))
    return ModelCard(
        entry["id"],
        parent if isinstance(parent, str) else None,
        next((length for length in lengths if isinstance(length, int) and length > 0), None),
        _modalities(entry.get("architecture")),
        _texts(entry.get("supported_features")),
        _price(entry.get("pricing")),
    )


def _modalities(architecture: Any) -> tuple[str, ...]:
    """What a model takes, of `{"modality": "text+image->text"}`."""
    said = architecture.get("modality") if isinstance(architecture, dict) else None
    if not isinstance(said, str) or "->" not in said:
        return ()
    return tuple(filter(None, said.partition("->")[0].split("+")))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _price(pricing: Any) -> Price | None:
    """Of dollars a token, as numbers or texts."""
    if not isinstance(pricing, dict):
        return None
    prompt, answer = (dollars(pricing.get(name)) for name in ("prompt", "completion"))
    return None if prompt is None else Price.of(prompt * _MILLION, (answer or 0) * _MILLION)


def _refused(answer: httpx.Response) -> UpstreamFailure:
    headers = [(name.lower(), value) for name, value in answer.headers.raw]
    return refusal(answer.status_code, headers, answer.content)
