"""GET /metrics: the numbers of all workers, for Prometheus."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.metrics import Metrics


def router(metrics: Metrics) -> APIRouter:
    routes = APIRouter(tags=["metrics"])

    @routes.get("/metrics", response_class=PlainTextResponse)
    def expose() -> Response:
        """Prometheus' text format. Collecting from many workers' files takes a while, so it runs in a thread."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes
