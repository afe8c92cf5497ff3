"""GET /v1/usage: what a caller's key has used, told apart as it asks, as JSON or CSV."""

import asyncio
import time
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app import usage_report
from app.contracts import Caller
from app.errors import BadRequest, ForbiddenUsage
from app.keys import Callers
from app.reporter import Reporter
from app.usage_report import Asked
from routers.calls import failures

PRICES = "x-hyperbridge-prices"


class Used(BaseModel):
    requests: int = Field(description="Calls, also those that failed.")
    attempts: int = Field(description="Attempts at an upstream; a call may need several, or none.")
    input_tokens: int
    output_tokens: int
    cached_tokens: int = Field(description="Part of input_tokens.")
    reasoning_tokens: int = Field(description="Part of output_tokens.")
    estimated_tokens: int = Field(description="Tokens that were counted here, since no upstream told them.")
    unpriced_tokens: int = Field(description="Tokens whose price is not known; they cost nothing here.")
    cost_usd: float


class Columns(BaseModel):
    """What sums are told apart by: the members that `by` names."""

    key: str | None = None
    model: str | None = Field(default=None, description="The name that was asked for.")
    upstream: str | None = None
    upstream_model: str | None = Field(default=None, description="The upstream's own name for the model.")
    operation: str | None = None
    outcome: Literal["ok", "left", "failed"] | None = Field(
        default=None, description="left: the client closed the connection"
    )
    day: str | None = Field(default=None, description="In UTC.")
    hour: str | None = Field(default=None, description="Its begin, in UTC.")


class UsageRow(Used, Columns):
    """Sums, and what they are told apart by."""


class UsageReport(BaseModel):
    object: str = "usage"
    start: str = Field(alias="from", description="The first hour's begin.")
    end: str = Field(alias="to", description="The last hour's end.")
    delay_seconds: float = Field(description="What was used later than so long ago may be missing.")
    prices: str = Field(description="The version of the table of Nebius' prices.")
    data: list[UsageRow]
    total: Used


def router(keys: Callers, reporter: Reporter) -> APIRouter:
    routes = APIRouter(tags=["usage"])

    @routes.get(
        "/v1/usage",
        response_model=UsageReport,
        responses={
            200: {"description": "The sums.", "content": {"text/csv": {"schema": {"type": "string"}}}},
            **failures(400, 401, 403, 503),
        },
    )
    async def report(
        request: Request,
        start: Annotated[
            str | None, Query(alias="from", description="A day, a moment or seconds since 1970, in UTC.")
        ] = None,
        end: Annotated[str | None, Query(alias="to", description="The same; a day is included.")] = None,
        by: Annotated[str | None, Query(description="Columns, joined by commas; `day` if left out.")] = None,
        form: Annotated[str | None, Query(alias="format", description="json or csv")] = None,
    ) -> Response:
        """What the key has used; an admin's key sees all keys."""
        caller = _allowed(keys.identify(dict(request.scope["headers"])))
        csv = _is_csv(form, request.headers.get("accept", ""))
        query = Asked(start, end, by).query(None if caller.admin else caller.id, time.time())
        rows = await reporter.rows(query)
        # both in a thread: many rows take a tenth of a second, and calls go on meanwhile
        if csv:
            text = await asyncio.to_thread(usage_report.table, query, rows)
            headers = {"content-disposition": 'attachment; filename="usage.csv"', PRICES: reporter.prices()}
            return Response(text, media_type="text/csv", headers=headers)
        body = await asyncio.to_thread(
            usage_report.document, query, rows, reporter.delay_seconds, reporter.prices()
        )
        return Response(body, media_type="application/json")

    return routes


def _allowed(caller: Caller) -> Caller:
    if caller.grant:
        raise ForbiddenUsage("A short-lived key does not show usage: ask with the key it was made from.")
    return caller


def _is_csv(form: str | None, accept: str) -> bool:
    if form not in {None, "json", "csv"}:
        raise BadRequest("'format' must be json or csv.", param="format")
    return form == "csv" if form is not None else accept.partition(",")[0].startswith("text/csv")
