"""A server's `/models`, asked now and then over httpx: which models it has, and whether it is there at all."""

import ssl
from collections.abc import Mapping

import httpx
import msgspec

from adapters.refusals import refusal
from app.contracts import ModelCard
from app.errors import UpstreamBroken, UpstreamFailure, UpstreamTimeout, UpstreamUnavailable

TIMEOUT_SECONDS = 5.0


class _Entry(msgspec.Struct):
    id: str
    parent: str | None = None
    max_model_len: int | None = None
    context_length: int | None = None


class _List(msgspec.Struct):
    data: list[_Entry]


class Directory:
    """Asks one server, outside the exchange path."""

    def __init__(self, base_url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,  # proxy variables are not heeded on the exchange path either
            verify=tls if tls is not None else False,
        )

    async def cards(self) -> list[ModelCard]:
        """The models that the server lists. Raises UpstreamFailure."""
        answer = await self.request("GET", "models")
        try:
            found = msgspec.json.decode(answer.content, type=_List)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UpstreamBroken(
                "The upstream's model list was not understood.", detail="malformed"
            ) from None
        return [
            ModelCard(each.id, each.parent, each.max_model_len or each.context_length) for each in found.data
        ]

    async def request(
        self,
        method: str,
        path: str,
        json: Mapping[str, object] | None = None,
        seconds: float = TIMEOUT_SECONDS,
    ) -> httpx.Response:
        """One request; raises UpstreamFailure for any status that is not a success."""
        try:
            answer = await self._client.request(method, path, json=json, timeout=seconds)
        except httpx.TimeoutException:
            raise UpstreamTimeout("The upstream did not answer in time.", detail=f"{method} {path}") from None
        except httpx.HTTPError as error:
            raise UpstreamUnavailable(
                "The upstream cannot be reached.", detail=type(error).__name__
            ) from None
        if answer.is_success:
            return answer
        raise _refused(answer)

    async def close(self) -> None:
        await self._client.aclose()


def _refused(answer: httpx.Response) -> UpstreamFailure:
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    return refusal(answer.status_code, headers, answer.content)
