"""POST /v1/rerank."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from app.operations import RERANK
from app.relay import Relay
from routers.calls import Relayed, described
from routers.objects import Asked, Open


class RerankRequest(Asked):
    """Documents to be put in order of how well they answer a query."""

    query: str
    documents: list[str | dict[str, Any]]
    top_n: int | None = None


class RerankResult(Open):
    index: int = Field(description="Where the document stood in the request.")
    relevance_score: float


class RerankResponse(Open):
    results: list[RerankResult] = Field(description="Best first.")


def router(relay: Relay) -> APIRouter:
    routes = APIRouter(tags=["rerank"])

    @routes.post(RERANK.path, **described(RerankRequest, RerankResponse))
    async def rerank() -> Relayed:
        """Put documents in order of relevance."""
        return Relayed(relay, RERANK)

    return routes
